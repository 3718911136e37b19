# SPDX-License-Identifier: Apache-2.0
"""The verbs: a module of this name in cli/verbs with EXAMPLES, run(options), and configure(parser) if it takes any."""

VERBS = {
    "up": "Start a cluster (or bring a stopped one back) and make it kubectl's current context",
    "down": "Stop a cluster; its state stays",
    "delete": "Stop a cluster and remove all of its data",
    "fork": "Copy a cluster: the same objects at the same revisions, on hollow nodes",
    "status": "Show what runs, where, and since when",
    "list": "List the clusters of this user",
    "lab": "Print the schema of lab files; check a file",
    "node": "List, add, remove, start, stop, kill, cut off and heal the nodes of a lab; a shell in one",
    "backup": "Write a cluster's state to a file, while it runs or not",
    "restore": "Bring a cluster back to the state in a file, while it runs or not",
    "migrate": "Move a stopped cluster's state into etcd, or from there into a file",
    "image": "Load images into a cluster's node, and list them",
    "component": "Run one component alone against a kubeconfig",
    "doctor": "Tell what this machine offers and what is missing for real containers",
}
