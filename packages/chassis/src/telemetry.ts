/** What the rest of a service needs to know of the OpenTelemetry SDK. Without `register.ts` there is none. */
export interface Sdk {
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
  /** Sends what is still buffered. To be called after the server has drained, or the last spans are lost. */
  shutdown: async (): Promise<void> => sdk?.shutdown(),
  /** Names the listener for the first failed export; later ones are dropped, an absent collector is one fact. */
  onExportFailure: (listener: (error: Error) => void): void => sdk?.onExportFailure(listener),
};
