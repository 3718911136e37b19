module pybernetes.invalid/sample

go 1.26.0

require k8s.io/sample-apiserver v0.29.2
