"""Drives a CML controller with the public client, as its users do. Prints what was seen as one JSON object."""

import json
import sys
import urllib.request

from virl2_client import ClientLibrary


def connect(url, password="secret", ca=None):
    options = {"ssl_verify": ca} if ca else {"allow_http": True}
    return ClientLibrary(url, "admin", password, raise_for_auth_failure=True, **options)


def expire_tokens(url):
    urllib.request.urlopen(urllib.request.Request(f"{url}/sim/expire-tokens", method="POST"))


def failure(action):
    """What a call that must fail raised."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - which exception it is, is the question
        return {"error": type(error).__name__, "message": str(error)}
    return {"error": None}


def lifecycle(url, topology, ca=None):
    client = connect(url, ca=ca)
    seen = {}
    with open(topology, encoding="utf-8") as file:
        lab = client.import_lab(file.read(), title="campus-edge-test")
    lab.wait_time = 0.05
    seen["imported"] = {"state": lab.state(), "title": lab.title, "owner": lab.owner, "listed": client.get_lab_list() == [lab.id]}
    seen["found_by_title"] = [found.id for found in client.find_labs_by_title("campus-edge-test")] == [lab.id]
    seen["tags"] = {node.label: list(node.tags()) for node in lab.nodes()}

    lab.start()  # waits for convergence
    seen["started"] = {"state": lab.state(), "converged": lab.has_converged(), "nodes": [node.state for node in lab.nodes()]}

    router = lab.get_node_by_label("edge-r1")
    router.add_tag("serial:2077")
    router.remove_tag("role:router")
    lab.sync()
    seen["retagged"] = {"tags": list(router.tags()), "annotations": sorted(annotation.tag for annotation in lab.smart_annotations())}

    router.extract_configuration()
    lab.sync()
    seen["evidence"] = {
        "configuration": "hostname edge-r1" in router.configuration,
        "console": "edge-r1" in router.console_logs(0),
        "testbed": "terminal_server" in lab.get_pyats_testbed(),
        "download": "edge-r2" in lab.download(),
    }
    seen["host"] = {
        "healthy": client.get_system_health()["valid"],
        "cpus": client.get_system_stats()["all"]["cpu"]["count"],
        "licence": client.licensing.status()["registration"]["status"],
    }

    seen["wipe_while_running"] = failure(lab.wipe)
    lab.stop()
    seen["stopped"] = lab.state()
    seen["remove_before_wipe"] = failure(lab.remove)
    lab.wipe()
    seen["wiped"] = lab.state()
    lab.remove()
    seen["removed"] = client.get_lab_list(show_all=True)
    seen["gone"] = failure(lambda: client.join_existing_lab(lab.id))
    seen["logged_out"] = client.logout()
    return seen


def wrong_password(url):
    return failure(lambda: connect(url, password="guess"))


def connect_only(url):
    return failure(lambda: connect(url))


def stale_token(url):
    client = connect(url)
    before = client.jwtoken
    expire_tokens(url)
    labs = client.get_lab_list()
    return {"labs": labs, "logged_in_again": client.jwtoken != before}


def lab_lost(url, topology):
    client = connect(url)
    with open(topology, encoding="utf-8") as file:
        lab = client.import_lab(file.read())
    lab_id = lab.id
    urllib.request.urlopen(urllib.request.Request(f"{url}/sim/labs/{lab_id}", method="DELETE"))
    return {**failure(lab.state), "lab": lab_id}


def bad_topology(url):
    client = connect(url)
    return failure(lambda: client.import_lab("lab: {title: x, version: 0.3.0}\nnodes: [{id: n0, label: r1, node_definition: toaster}]"))


if __name__ == "__main__":
    scenario, *arguments = sys.argv[1:]
    print(json.dumps(globals()[scenario](*arguments)))
