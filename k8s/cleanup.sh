#!/usr/bin/env bash
# Removes Bookinfo, its routing and its data from one namespace; what is not there is no error.
# Usage: k8s/cleanup.sh, which asks for the namespace, or NAMESPACE=default k8s/cleanup.sh
set -euo pipefail

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)

if [[ -z ${NAMESPACE:-} && -t 0 ]]; then
  read -r -p 'namespace [default]: ' NAMESPACE
fi
namespace=${NAMESPACE:-default}

if ! kubectl get namespace "$namespace" >/dev/null; then
  exit 1
fi
echo "Removing Bookinfo from the namespace $namespace"

# Every kind of routing and policy that the lessons create, as far as its API is installed.
kinds='virtualservices.networking.istio.io destinationrules.networking.istio.io gateways.networking.istio.io
  serviceentries.networking.istio.io workloadentries.networking.istio.io sidecars.networking.istio.io
  envoyfilters.networking.istio.io authorizationpolicies.security.istio.io peerauthentications.security.istio.io
  requestauthentications.security.istio.io telemetries.telemetry.istio.io
  httproutes.gateway.networking.k8s.io gateways.gateway.networking.k8s.io
  rollouts.argoproj.io analysistemplates.argoproj.io'
installed=$(kubectl api-resources --namespaced --verbs=delete --output=name | grep -Fx "$(xargs -n1 <<<"$kinds")" | tr '\n' , || true)
if [[ -n $installed ]]; then
  kubectl delete "${installed%,}" --all --namespace "$namespace"
fi

# Everything of the flat files. The other namespaces' (production, istio-system) and the cluster's own stay.
for file in "$folder"/*.yaml; do
  case ${file##*/} in
    kustomization.yaml | kind-cluster.yaml | production.yaml | bookinfo-certificate.yaml | bookinfo-ingress.yaml | *-dualstack.yaml | bookinfo-psa.yaml) ;;
    *) kubectl delete --filename "$file" --namespace "$namespace" --ignore-not-found --wait=false ;;
  esac
done
kubectl delete ingress bookinfo --namespace "$namespace" --ignore-not-found

# The databases' volumes outlive their pods; this is where they end.
kubectl delete persistentvolumeclaims --selector 'app in (mongodb, mysqldb)' --namespace "$namespace" --ignore-not-found --wait=false

# Only the pods' shutdown takes time.
kubectl wait pods --for=delete --selector 'app in (productpage, details, reviews, ratings, mongodb, mysqldb, curl)' \
  --namespace "$namespace" --timeout=90s
echo "Bookinfo is gone from the namespace $namespace"
