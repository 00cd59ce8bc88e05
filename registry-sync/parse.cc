// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/parse.h"

#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

struct Kind {
  std::string_view api_version;
  std::string_view name;
  void (*parse)(Fields&, ResourceSet&);
  bool older = false;  ///< of the same fields as another version
};
constexpr Kind kKinds[] = {
    {"v1", "Service", parse_service},
    {"discovery.k8s.io/v1", "EndpointSlice", parse_endpoint_slice},
    {"weft.dev/v1", "ServicePolicy", parse_service_policy},
    {"weft.dev/v1", "FaultInjection", parse_fault_injection},
    {"weft.dev/v1", "InspectionPolicy", parse_inspection_policy},
    {"gateway.networking.k8s.io/v1", "HTTPRoute", parse_http_route},
    {"gateway.networking.k8s.io/v1", "GRPCRoute", parse_grpc_route},
    {"gateway.networking.k8s.io/v1", "Gateway", parse_gateway},
    {"gateway.networking.k8s.io/v1", "GatewayClass", parse_gateway_class},
    {"gateway.networking.k8s.io/v1", "ReferenceGrant", parse_reference_grant},
    {"gateway.networking.k8s.io/v1beta1", "ReferenceGrant", parse_reference_grant, true},
    {"networking.istio.io/v1", "DestinationRule", parse_destination_rule},
    {"networking.istio.io/v1beta1", "DestinationRule", parse_destination_rule, true},
    {"security.istio.io/v1", "AuthorizationPolicy", parse_authorization_policy},
    {"security.istio.io/v1beta1", "AuthorizationPolicy", parse_authorization_policy, true},
};

void parse_resource(Fields& document, ResourceSet& resources) {
  const std::string api_version = document.required_string("apiVersion");
  const std::string name = document.required_string("kind");
  std::vector<std::string> known;
  for (const Kind& kind : kKinds) {
    if (kind.name == name && kind.api_version == api_version) {
      return kind.parse(document, resources);
    }
    if (!kind.older) {
      known.push_back(std::string(kind.name) + " (" + std::string(kind.api_version) + ")");
    }
  }
  if (document && !name.empty() && !api_version.empty()) {
    document.error("kind", "weft does not know kind " + in_quotes(name) + " of apiVersion " + in_quotes(api_version) +
                               "; it knows " + listed(known, " and "));
  }
}

bool is_list(const YamlNode& node, const std::string& file) {
  std::vector<Diagnostic> ignored;
  Fields fields(node, "", file, ignored);
  return fields && fields.string("kind") == "List" && fields.string("apiVersion") == "v1";
}

}  // namespace

ParsedFile parse_file(const std::string& file, std::string_view text) {
  ParsedFile parsed;
  for_each_document(file, text, parsed.errors, [&](const YamlNode& node) {
    ++parsed.documents;
    Fields document(node, "", file, parsed.errors);
    if (!is_list(node, file)) {
      return parse_resource(document, parsed.resources);
    }
    document.ignore({"apiVersion", "kind", "metadata"});
    for (Fields& item : document.mappings("items")) {
      parse_resource(item, parsed.resources);
    }
    document.finish();
  });
  return parsed;
}

ParsedFile parse_document(const std::string& name, std::string_view text) {
  ParsedFile parsed;
  if (const std::optional<YamlNode> node = read_json_document(name, text, parsed.errors)) {
    parsed.documents = 1;
    Fields document(*node, "", name, parsed.errors);
    parse_resource(document, parsed.resources);
  }
  return parsed;
}

}  // namespace weft::registry
