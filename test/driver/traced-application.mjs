// The same with modules that are imported: OpenTelemetry's loader hands them on.
import { register } from 'node:module';
import traced from './traced-work.cjs';

register('@opentelemetry/instrumentation/hook.mjs', import.meta.url);
const [module_, options] = process.argv.slice(2);
await traced.work((await import(module_)).default, options);
