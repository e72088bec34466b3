// An application with OpenTelemetry, which is set up before anything else is loaded: traced-application.cjs MODULE OPTIONS
const { work } = require('./traced-work.cjs');

const [module_, options] = process.argv.slice(2);
void work(require(module_), options);
