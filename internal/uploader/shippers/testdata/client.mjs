// Puts and gets an object again and again; prints the access key id that each round was signed with.
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { defaultProvider } from "@aws-sdk/credential-provider-node";

const [bucket, key, rounds] = process.argv.slice(2);
const s3 = new S3Client({
  forcePathStyle: true,
  credentials: defaultProvider({ timeout: 30_000, maxRetries: 4 }), // one second is short on a busy machine
});
for (let i = 0; i < Number(rounds); i++) {
  const body = `round ${i}`;
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
  const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  if ((await got.Body.transformToString()) !== body) throw new Error("the object came back changed");
  console.log((await s3.config.credentials()).accessKeyId);
  await new Promise((done) => setTimeout(done, 1000));
}
