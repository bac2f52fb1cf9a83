/** The model knows no field that the official schemas do not, and no other values: tsc holds its types against theirs. */
import type { IGateway as IK8sGateway } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/Gateway';
import type { IHTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute';
import type { IDestinationRule } from '@kubernetes-models/istio/networking.istio.io/v1/DestinationRule';
import type { IGateway } from '@kubernetes-models/istio/networking.istio.io/v1/Gateway';
import type { IServiceEntry } from '@kubernetes-models/istio/networking.istio.io/v1/ServiceEntry';
import type { IVirtualService } from '@kubernetes-models/istio/networking.istio.io/v1/VirtualService';
import type { IEnvoyFilter } from '@kubernetes-models/istio/networking.istio.io/v1alpha3/EnvoyFilter';
import type { IAuthorizationPolicy } from '@kubernetes-models/istio/security.istio.io/v1/AuthorizationPolicy';
import type { IPeerAuthentication } from '@kubernetes-models/istio/security.istio.io/v1/PeerAuthentication';
import type { IRequestAuthentication } from '@kubernetes-models/istio/security.istio.io/v1/RequestAuthentication';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IStatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import type { IPod } from 'kubernetes-models/v1/Pod';
import type { IService } from 'kubernetes-models/v1/Service';
import { expect, test } from 'vitest';
import type { KindName, SpecOf } from '../src/kinds.ts';

interface Official {
  '/Service': IService;
  'apps/Deployment': IDeployment;
  'apps/StatefulSet': IStatefulSet;
  '/Pod': IPod;
  'networking.istio.io/Gateway': IGateway;
  'networking.istio.io/VirtualService': IVirtualService;
  'networking.istio.io/DestinationRule': IDestinationRule;
  'networking.istio.io/ServiceEntry': IServiceEntry;
  'networking.istio.io/EnvoyFilter': IEnvoyFilter;
  'security.istio.io/PeerAuthentication': IPeerAuthentication;
  'security.istio.io/RequestAuthentication': IRequestAuthentication;
  'security.istio.io/AuthorizationPolicy': IAuthorizationPolicy;
  'gateway.networking.k8s.io/Gateway': IK8sGateway;
  'gateway.networking.k8s.io/HTTPRoute': IHTTPRoute;
}

/** Paths of what `Ours` has and `Theirs` has not, or has with other values; what is not looked into passes. */
type Beyond<Ours, Theirs, Path extends string> = unknown extends Ours
  ? never
  : Ours extends readonly (infer O)[]
    ? Theirs extends readonly (infer T)[]
      ? Beyond<O, T, `${Path}[]`>
      : Path
    : Ours extends object
      ? { [K in keyof Ours & string]-?: Field<Ours[K], Theirs, K, `${Path}.${K}`> }[keyof Ours & string]
      : Ours extends Theirs
        ? never
        : Path;
type Field<Ours, Theirs, Name extends string, Path extends string> = Theirs extends { [N in Name]?: infer T }
  ? Beyond<NonNullable<Ours>, NonNullable<T>, Path>
  : Path;

type BeyondAll = { [K in KindName]: Beyond<SpecOf<K>, NonNullable<Official[K]['spec']>, K> }[KindName];

test('every field of the model is an official one', () => {
  // tsc names the path of one that is not.
  const beyond: never[] = [] as BeyondAll[];
  expect(beyond).toEqual([]);
});
