/** What the rest of a service needs to know of the OpenTelemetry SDK. Without `register.ts` there is none. */
export interface Sdk {
  traces(side: 'server' | 'client'): boolean;
  instrument(library: string): Promise<void>;
  shutdown(): Promise<void>;
  onExportFailure(listener: (error: Error) => void): void;
}

let sdk: Sdk | undefined;

export const telemetry = {
  get enabled(): boolean {
    return sdk !== undefined;
  },
  /** To be called before anything is traced. */
  use: (started: Sdk): void => {
    sdk = started;
  },
  /** Whether requests that come in, or go out, get spans. */
  traces: (side: 'server' | 'client'): boolean => sdk?.traces(side) ?? false,
  /**
   * Makes spans of what a library such as `mongodb` does, unless the environment says which instrumentations are enabled.
   * To be called before the library is loaded.
   */
  instrument: async (library: string): Promise<void> => sdk?.instrument(library),
  /** Sends what is still buffered. To be called after the server has drained, or the last spans are lost. */
  shutdown: async (): Promise<void> => sdk?.shutdown(),
  /** Names the listener for the first failed export; later ones are dropped, an absent collector is one fact. */
  onExportFailure: (listener: (error: Error) => void): void => sdk?.onExportFailure(listener),
};
