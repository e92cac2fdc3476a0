/** An S3 server in memory, in a process of its own; prints its endpoint and lives until it is killed. */
import { startS3Server } from '../test/support/s3-server.ts';

const server = await startS3Server();
for (const bucket of ['namespace', 'lifeboat', 's5cmd', 'aws']) server.addBucket(bucket);
// Requests are remembered for tests; here they would only fill memory.
setInterval(() => server.seen.splice(0), 1000);
console.log(server.endpoint);
