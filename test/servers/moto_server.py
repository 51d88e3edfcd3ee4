"""moto's server, with the parts of IAM that it leaves out and that these tests are about.

- The resource of a request to Secrets Manager is the ARN of its secret, and each secret of a batch is asked for by itself:
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
- `?` in a policy stands for one character:
  https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
- Refusals of a service that speaks JSON are JSON:
  https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html
- What is read without a version or a stage is AWSCURRENT, also where that label was moved, and what is put then takes it from there:
  https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html and
  https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
- A rotation is made by a function, later, and another does not begin while a version waits under AWSPENDING:
  https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html and
  https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html. A function whose name begins with "failing" leaves an empty
  version behind, any other makes its version the current one within half a second.
- A version was made when it was, and not when it is asked for:
  https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretVersionsListEntry.html
- A secret of another account is found by its ARN, where the policy on the secret names the caller's account:
  https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html
- A session policy allows nothing that it does not say, whatever the role may:
  https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session

Requests that name the key "root-of-the-tests" are let through: they set up what a test needs.
"""

import json
import re
import threading
import time

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import JsonRESTError
from moto.iam import access_control
from moto.secretsmanager.exceptions import InvalidRequestException, SecretNotFoundException
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend, secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.server import main
from moto.sts.models import sts_backends


def matches(pattern, text):
    parts = [".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern]
    return re.match("^" + "".join(parts) + "$", text)


access_control.IAMPolicyStatement._match = staticmethod(matches)


def is_root(headers):
    return "Credential=root-of-the-tests/" in headers.get("Authorization", "")


authorize = ActionAuthenticatorMixin._authenticate_and_authorize_action


def authorize_unless_root(self, iam_request_cls, resource="*"):
    if not is_root(self.headers):
        authorize(self, iam_request_cls, resource)


ActionAuthenticatorMixin._authenticate_and_authorize_action = authorize_unless_root


class JsonRefusal(JsonRESTError):
    def __init__(self, name, status):
        self.code = status
        super().__init__(name, "canary of the server")


def refuse_as_json(method, name, status):
    usual = getattr(access_control.IAMRequest, method)

    def refuse(self, *details):
        if self._service != "secretsmanager":
            usual(self, *details)
        raise JsonRefusal(name, status)

    setattr(access_control.IAMRequest, method, refuse)


refuse_as_json("_raise_access_denied", "AccessDeniedException", 400)
refuse_as_json("_raise_signature_does_not_match", "InvalidSignatureException", 400)
refuse_as_json("_raise_invalid_access_key", "UnrecognizedClientException", 400)

get_secret_value = SecretsManagerBackend.get_secret_value


def get_current_secret_value(self, secret_id, version_id, version_stage):
    stage = version_stage or (None if version_id or secret_id not in self.secrets else "AWSCURRENT")
    return get_secret_value(self, secret_id, version_id, stage)


SecretsManagerBackend.get_secret_value = get_current_secret_value


list_secret_version_ids = SecretsManagerBackend.list_secret_version_ids


def list_dated_secret_version_ids(self, secret_id):
    told = json.loads(list_secret_version_ids(self, secret_id))
    for version in told["Versions"]:
        version["CreatedDate"] = self.secrets[secret_id].versions[version["VersionId"]]["createdate"]
    return json.dumps(told)


SecretsManagerBackend.list_secret_version_ids = list_dated_secret_version_ids

update_secret_version_stage = SecretsManagerBackend.update_secret_version_stage


def update_current_secret_version_stage(self, secret_id, version_stage, remove_from_version_id, move_to_version_id):
    told = update_secret_version_stage(self, secret_id, version_stage, remove_from_version_id, move_to_version_id)
    if version_stage == "AWSCURRENT" and move_to_version_id:
        self.secrets[secret_id].set_default_version_id(move_to_version_id)
    return told


SecretsManagerBackend.update_secret_version_stage = update_current_secret_version_stage


def rotate_secret(
    self, secret_id, client_request_token=None, rotation_lambda_arn=None, rotation_rules=None, rotate_immediately=True
):
    if not self._is_valid_identifier(secret_id):
        raise SecretNotFoundException()
    secret = self.secrets[secret_id]
    function = rotation_lambda_arn or getattr(secret, "rotation_lambda_arn", "")
    stages = [version["version_stages"] for version in secret.versions.values()]
    if secret.is_deleted() or not function or any("AWSPENDING" in one and "AWSCURRENT" not in one for one in stages):
        raise InvalidRequestException("canary of the server")
    secret.rotation_requested = secret.rotation_enabled = True
    secret.rotation_lambda_arn = function
    rules = rotation_rules or {}
    if rules:
        secret.rotation_rules = rules
        secret.next_rotation_date = int(time.time()) + 86400 * rules.get("AutomaticallyAfterDays", 1)
    created = {"createdate": int(time.time()), "version_id": client_request_token, "version_stages": ["AWSPENDING"]}
    secret.remove_version_stages_from_old_versions(["AWSPENDING"])
    secret.versions[client_request_token] = created

    def finish():
        created["secret_string"] = f"rotated {client_request_token}"
        secret.reset_default_version(created, client_request_token)
        created["version_stages"] = ["AWSCURRENT"]
        secret.last_rotation_date = int(time.time())

    if not function.rpartition(":")[2].startswith("failing"):
        threading.Timer(0.5, finish).start()
    return secret.to_short_dict(version_id=client_request_token)


SecretsManagerBackend.rotate_secret = rotate_secret
to_dict = FakeSecret.to_dict


def to_dict_with_rules(self):
    told = to_dict(self)
    return {**told, "RotationRules": self.rotation_rules} if hasattr(self, "rotation_rules") else told


FakeSecret.to_dict = to_dict_with_rules


def arn_of(response, secret_id):
    if secret_id.startswith("arn:"):
        return secret_id
    secret = response.backend.secrets.get(secret_id)
    # What is not there is asked for as what might be.
    return secret.arn if secret else f"arn:aws:secretsmanager:{response.region}:{response.current_account}:secret:{secret_id}-000000"


def backend_of_secret(self):
    own = secretsmanager_backends[self.current_account][self.region]
    account = ((self._get_param("SecretId") or "").split(":") + [""] * 5)[4]
    if account in ("", self.current_account):
        return own
    other = secretsmanager_backends[account][self.region]
    secret = other.secrets.get(self._get_param("SecretId"))
    statements = json.loads(getattr(secret, "policy", None) or '{"Statement": []}')["Statement"]
    caller = {"AWS": f"arn:aws:iam::{self.current_account}:root"}
    if not any(one["Effect"] == "Allow" and one["Principal"] == caller for one in statements):
        raise JsonRefusal("AccessDeniedException", 400)
    return other


SecretsManagerResponse.backend = property(backend_of_secret)


def determine_resource(self):
    secret_id = self._get_param("SecretId") or self._get_param("Name")
    return arn_of(self, secret_id) if secret_id else "*"


SecretsManagerResponse._determine_resource = determine_resource

check_role = access_control.IAMRequestBase.check_action_permitted


def check_role_and_session(self, resource):
    check_role(self, resource)
    key = self._access_key
    if not isinstance(key, access_control.AssumedRoleAccessKey) or self._action == "sts:GetCallerIdentity":
        return
    session = sts_backends[key.account_id][key.partition].get_assumed_role_from_access_key(key._access_key_id)
    if not session.policy:
        return
    permission = access_control.IAMPolicy(session.policy).is_action_permitted(self._action, resource)
    if permission != access_control.PermissionResult.PERMITTED:
        self._raise_access_denied()


access_control.IAMRequestBase.check_action_permitted = check_role_and_session

answer_batch = SecretsManagerResponse.batch_get_secret_value


def answer_batch_by_item(self):
    if is_root(self.headers) or not self._get_param("SecretIdList"):
        return answer_batch(self)
    request = access_control.IAMRequest(
        account_id=self.current_account,
        method=self.method,
        path=self.raw_path,
        data=self.data,
        body=self.raw_body,
        headers=self.headers,
        action="GetSecretValue",
    )
    allowed, errors = [], []
    for secret_id in self._get_param("SecretIdList"):
        try:
            request.check_action_permitted(arn_of(self, secret_id))
            allowed.append(secret_id)
        except JsonRESTError:
            errors.append({"SecretId": secret_id, "ErrorCode": "AccessDeniedException", "Message": "not authorized"})
    values, others, token = self.backend.batch_get_secret_value(secret_id_list=allowed) if allowed else ([], [], None)
    return json.dumps({"SecretValues": values, "Errors": errors + others, "NextToken": token})


SecretsManagerResponse.batch_get_secret_value = answer_batch_by_item

if __name__ == "__main__":
    main()
