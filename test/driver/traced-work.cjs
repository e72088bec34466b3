// OpenTelemetry, set up, and an application's statements.
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { SpanStatusCode } = require('@opentelemetry/api');
const { MySQL2Instrumentation } = require('@opentelemetry/instrumentation-mysql2');

const exporter = new InMemorySpanExporter();
const instrumentation = new MySQL2Instrumentation();
instrumentation.setTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
instrumentation.enable();

exports.work = async (mysql, options) => {
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
};
