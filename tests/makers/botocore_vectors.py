"""What botocore's real clients sign, with the clock in our hands: a JSON line for each request.

Usage: python botocore_vectors.py OUT_FOLDER

Makes sagemaker.jsonl and bedrock.jsonl. Nothing is sent: each request is caught when it would be.
"""

import base64
import datetime
import json
import os
import random
import string
import sys

import botocore.auth
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1", "cn-north-1"]
MODELS = [
    "anthropic.claude-3-5-sonnet-20240620-v1:0",
    "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.meta.llama3-2-3b-instruct-v1:0",
    "amazon.titan-text-express-v1",
    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2:1",
    "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:application-inference-profile/abc123",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.titan-text/abcdefghij12",
    "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDE12345:1",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/my-endpoint",
]


def text(rng, alphabet, shortest, longest):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(shortest, longest)))


class Recorder:
    """Keeps what the signer computes on its way."""

    def __init__(self):
        self.canonical = self.to_sign = self.moment = None
        signer, recorder = botocore.auth.SigV4Auth, self
        canonical_request, string_to_sign = signer.canonical_request, signer.string_to_sign

        def canonical(self, request):
            recorder.canonical = canonical_request(self, request)
            return recorder.canonical

        def to_sign(self, request, canonical):
            recorder.to_sign = string_to_sign(self, request, canonical)
            return recorder.to_sign

        signer.canonical_request, signer.string_to_sign = canonical, to_sign
        botocore.auth.get_current_datetime = lambda remove_tzinfo=True: recorder.moment


def vectors(service, operations, count, recorder, rng):
    session = botocore.session.get_session()
    for number in range(count):
        access = "AKIA" + text(rng, string.ascii_uppercase + "234567", 16, 16)
        secret = text(rng, string.ascii_letters + string.digits + "+/", 40, 40)
        token = text(rng, string.ascii_letters + string.digits + "+/=", 100, 400) if rng.random() < 0.4 else None
        region = rng.choice(REGIONS)
        recorder.moment = datetime.datetime(
            rng.randint(2015, 2035), rng.randint(1, 12), rng.randint(1, 28),
            rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59),
        )
        client = session.create_client(
            service, region_name=region, aws_access_key_id=access, aws_secret_access_key=secret,
            aws_session_token=token, config=Config(retries={"total_max_attempts": 1}),
        )
        caught = []

        def catch(request, **_):
            caught.append(request)
            return AWSResponse(request.url, 500, {}, None)

        client.meta.events.register("before-send", catch)
        operation, arguments = rng.choice(operations)(rng)
        try:
            getattr(client, operation)(**arguments)
        except Exception as error:  # the answer that was made up
            if not caught:
                raise error
        (request,) = caught
        headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
        body = request.body.read() if hasattr(request.body, "read") else (request.body or b"")
        body = body.encode() if isinstance(body, str) else body
        yield {
            "id": number,
            "op": operation,
            "access_key": access,
            "secret_key": secret,
            "session_token": token,
            "region": region,
            "service": client.meta.service_model.signing_name,
            "time": recorder.moment.strftime("%Y%m%dT%H%M%SZ"),
            "method": request.method,
            "url": request.url,
            "headers": list(headers.items()),
            "body_b64": base64.b64encode(body).decode(),
            "canonical_request": recorder.canonical,
            "string_to_sign": recorder.to_sign,
            "expected_authorization": headers["Authorization"],
        }


def body(rng):
    return json.dumps({"instances": [[rng.random() for _ in range(4)]], "text": text(rng, "aé日 \n", 0, 30)}).encode()


def sagemaker(rng):
    arguments = {"EndpointName": text(rng, string.ascii_letters + string.digits + "-", 1, 40).strip("-") or "e"}
    optional = {
        "ContentType": "application/json", "Accept": "text/csv; q=0.5,  */*", "CustomAttributes": "a=b,  c=d  ",
        "TargetModel": "model 1+2.tar.gz", "TargetVariant": "blue", "InferenceId": "id/1", "InferenceComponentName": "part-1",
    }
    arguments.update({name: value for name, value in optional.items() if rng.random() < 0.4})
    if rng.random() < 0.2:
        return "invoke_endpoint_async", arguments_async(arguments)
    arguments["Body"] = body(rng)
    streaming = rng.random() < 0.3
    if streaming:
        arguments.pop("TargetModel", None)
    return ("invoke_endpoint_with_response_stream" if streaming else "invoke_endpoint"), arguments


def arguments_async(arguments):
    kept = {name: arguments[name] for name in ("EndpointName", "ContentType", "Accept", "CustomAttributes", "InferenceId") if name in arguments}
    return {**kept, "InputLocation": "s3://bucket/in put/ä.json"}


def bedrock(rng):
    model = rng.choice(MODELS)
    if rng.random() < 0.3:
        return "converse", {"modelId": model, "messages": [{"role": "user", "content": [{"text": text(rng, "aé日 ", 1, 30)}]}]}
    operation = rng.choice(["invoke_model", "invoke_model_with_response_stream"])
    return operation, {"modelId": model, "body": body(rng)}


def main(out_folder):
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    rng = random.Random(20261128)
    recorder = Recorder()
    os.makedirs(out_folder, exist_ok=True)
    for name, service, operations, count in [
        ("sagemaker.jsonl", "sagemaker-runtime", [sagemaker], 200),
        ("bedrock.jsonl", "bedrock-runtime", [bedrock], 60),
    ]:
        with open(os.path.join(out_folder, name), "w", encoding="utf-8") as out:
            for vector in vectors(service, operations, count, recorder, rng):
                out.write(json.dumps(vector) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
