"""Puts and gets an object again and again; prints the access key id that each round was signed with."""
import sys
import time

import boto3

bucket, key, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = boto3.Session()
s3 = session.client("s3")
used = []
s3.meta.events.register("before-sign.s3.PutObject", lambda **_: used.append(session.get_credentials().get_frozen_credentials().access_key))
for i in range(rounds):
    body = f"round {i}".encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    if s3.get_object(Bucket=bucket, Key=key)["Body"].read() != body:
        sys.exit("the object came back changed")
    print(used[-1], flush=True)
    time.sleep(1)
