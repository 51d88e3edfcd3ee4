"""What an agent in Python does: it knows nothing of keyward but the two variables that its SDK reads."""
import json
import os

import openai

client = openai.OpenAI(max_retries=0)
messages = [{"role": "user", "content": "hello"}]
outcome = {"environment": " ".join(os.environ.values())}

whole = client.chat.completions.create(model="m", messages=messages)
outcome["whole"] = whole.choices[0].message.content
# The session that a server gives must not come back as a cookie of the client's own.
outcome["again"] = client.chat.completions.create(model="m", messages=messages).choices[0].message.content

outcome["streamed"] = ""
for chunk in client.chat.completions.create(model="m", messages=messages, stream=True):
    outcome["streamed"] += chunk.choices[0].delta.content or ""

outcome["file"] = client.files.create(file=("a.jsonl", b"the content"), purpose="batch").id

try:
    client.models.delete("m")
except openai.PermissionDeniedError as error:
    outcome["denied"] = [error.status_code, error.body["reason"], error.response.headers["keyward-error"]]
try:
    openai.OpenAI(api_key="wrong", max_retries=0).models.list()
except openai.PermissionDeniedError as error:
    outcome["refused"] = [error.status_code, error.body["code"]]

print(json.dumps(outcome))
