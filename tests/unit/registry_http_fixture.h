// SPDX-License-Identifier: Apache-2.0
/// @file What the tests of HTTP resources share: a route with every field, and what is wrong with one that is edited.
#pragma once

#include <string>
#include <string_view>

#include "registry_fixture.h"

namespace weft::registry {

inline constexpr std::string_view kRoute = R"(apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, creationTimestamp: "2026-01-31T12:00:00Z"}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  hostnames: [example.com, "*.example.com"]
  rules:
  - name: canary
    matches:
    - path: {type: PathPrefix, value: /app}
      headers: [{name: X-Canary, value: "1"}, {name: x-user, type: RegularExpression, value: "a.*"}]
      queryParams: [{name: q, value: "1"}]
      method: GET
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: A, value: b c}], add: [{name: B, value: d}], remove: [C]}
    - type: URLRewrite
      urlRewrite: {hostname: new.example.com, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
    - type: RequestMirror
      requestMirror: {backendRef: {name: shadow, port: 80}, percent: 10}
    - type: CORS
      cors: {allowOrigins: ["https://*.example.com"], allowMethods: [GET], allowHeaders: [A], exposeHeaders: [B], maxAge: 60}
    backendRefs:
    - {name: web-2, port: 8080, weight: 9}
    timeouts: {request: 10s, backendRequest: 2s}
    retry: {codes: [503], attempts: 2, backoff: 100ms}
    sessionPersistence: {sessionName: s, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}
)";

/// A Service with two endpoints.
inline const std::string kWeb =
    service("web", "10.96.0.10", "[{port: 80}]", "251") + slice("w", "web", endpoints(1, 2));

/// An edit of a document, and the one message that it brings.
struct BadEdit {
  std::string_view good;
  std::string_view bad;
  std::string_view message;
};

inline void PrintTo(const BadEdit& edit, std::ostream* out) {
  *out << edit.bad;
}

inline std::string edited(std::string_view document, const std::string_view good, std::string_view bad) {
  std::string text(document);
  const size_t at = text.find(good);
  EXPECT_NE(at, std::string::npos) << good;
  return at == std::string::npos ? text : text.replace(at, good.size(), bad);
}

inline std::string in_namespace(const std::string& document, const std::string& name_space) {
  return edited(document, "metadata: {", "metadata: {namespace: " + name_space + ", ");
}

/// An HTTPRoute of one rule, or more.
/// @param parent such as "{group: '', kind: Service, name: web}"
/// @param rules such as "[{backendRefs: [{name: web, port: 80}]}]"
inline std::string http_route(const std::string& name, const std::string& parent, const std::string& rules,
                              const std::string& more = "") {
  return "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: " + name +
         "}, spec: {parentRefs: [" + parent + "], rules: " + rules + more + "}}\n---\n";
}
inline std::string to_service(const std::string& service, const std::string& more = "") {
  return "{group: '', kind: Service, name: " + service + more + "}";
}
inline std::string to_backend(const std::string& service, const std::string& port = "80") {
  return "[{backendRefs: [{name: " + service + ", port: " + port + "}]}]";
}

}  // namespace weft::registry
