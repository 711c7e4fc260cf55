"""A tour of Plimsoll's API with nothing but Python's standard library, against a
server such as `plimsoll dev`: a call is a POST of JSON (the Connect protocol)."""

import json
import urllib.error
import urllib.request

BASE_URL = "http://127.0.0.1:1876"


class CallError(Exception):
    """What the server answered instead: code, message and the details by type."""

    def __init__(self, code, message, details):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.details = code, message, details


def call(procedure, request, namespace="default", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"content-type": "application/json", "containerd-namespace": namespace}
    post = urllib.request.Request(f"{BASE_URL}/{procedure}", json.dumps(request).encode(), headers)
    try:
        with urllib.request.urlopen(post, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        answer = json.load(error)
        details = {d["type"]: d.get("debug", {}) for d in answer.get("details", [])}
        raise CallError(answer["code"], answer.get("message", ""), details) from None


def containers(filter):
    """All containers that a filter selects, page by page."""
    request = {"filters": [filter], "pageSize": 100}
    while True:
        page = call("plimsoll.v1.ContainerService/ListContainers", request)
        yield from page.get("containers", [])
        request["pageToken"] = page.get("nextPageToken", "")
        if not request["pageToken"]:
            return


for container in containers("labels.team==core"):
    print(container["id"], container["image"], container["labels"])

# A change that the rules deny, and everything they have against it.
change = {"container": {"id": "web", "labels": {"team": "nobody"}}, "updateMask": "labels.team"}
try:
    call("containerd.v1.Containers/Update", change)
except CallError as error:
    print(error.code)
    for violation in error.details["plimsoll.v1.Verdict"]["violations"]:
        print(f"{violation['field']}: {violation['message']}; {violation['fix']}")

# To ask beforehand: a review judges, and stores nothing.
review = call("plimsoll.v1.ContainerService/Review", {"update": change})
print(review.get("allowed", False), len(review["verdict"]["violations"]))

# One that they admit, to be stored once however often it is sent.
change = {"container": {"id": "web", "labels": {"tier": "back"}}, "updateMask": "labels.tier"}
print(call("containerd.v1.Containers/Update", change, plimsoll_request_id="8d0f7c1e")["container"]["labels"])
