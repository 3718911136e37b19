# SPDX-License-Identifier: Apache-2.0
"""garbage-collector-controller: deletes objects whose owners are gone, in whatever resource.

graph.py knows who owns whom; plan.py decides about one object; monitors.py keeps an informer of
the metadata of every resource; controller.py acts. Left out: metrics of the graph.
"""
