import { serve } from '@bookinfo/chassis';
import { buildApp } from './app.ts';
import { readConfig } from './config.ts';

await serve(readConfig, buildApp);
