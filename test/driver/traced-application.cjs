// An application with OpenTelemetry, which is set up before anything else is loaded: traced-application.cjs MODULE OPTIONS
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { SpanStatusCode } = require('@opentelemetry/api');
const { MySQL2Instrumentation } = require('@opentelemetry/instrumentation-mysql2');

const exporter = new InMemorySpanExporter();
const instrumentation = new MySQL2Instrumentation();
instrumentation.setTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
instrumentation.enable();

const [module_, options] = process.argv.slice(2);
const mysql = require(module_);

async function main() {
  const pool = mysql.createPool(JSON.parse(options));
  const connection = await pool.getConnection();
  await connection.ping();
  for (const [name, client] of Object.entries({ pool, connection })) {
    await client.query(`SELECT ? AS traced_read_${name}`, [1]);
    await client.execute(`SELECT ? AS traced_read_executed_${name}`, [1]);
    await client.query(`SET @traced_${name} = 1`);
    await client.query(`SELECT traced_${name} FROM nowhere.at_all FOR UPDATE`).catch(() => {});
  }
  connection.release();
  await pool.end();
  const spans = exporter.getFinishedSpans().map(({ attributes, status }) => ({
    text: attributes['db.query.text'],
    port: attributes['server.port'],
    hasFailed: status.code === SpanStatusCode.ERROR,
  }));
  process.stdout.write(JSON.stringify(spans));
}

void main();
