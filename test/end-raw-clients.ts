import { afterAll } from 'vitest';
import { endRawClients } from './raw-client.js';

afterAll(endRawClients);
