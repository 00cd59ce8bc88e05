// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/key_edits.h"

#include "registry-sync/parse.h"

namespace weft::registry {
namespace {

constexpr size_t kMaxResourceBytes = size_t{1} << 20;

/// The only document's kind and metadata; nothing if the kind leaves none.
struct Identity {
  std::string_view kind;
  const Metadata* metadata = nullptr;
};
Identity identity_of(const ResourceSet& documents) {
  Identity identity;
  const auto look = [&](std::string_view kind, const auto& list) {
    if (!list.empty()) {
      identity = {kind, &list.front()->metadata};
    }
  };
  look("Service", documents.services);
  look("EndpointSlice", documents.slices);
  look("ServicePolicy", documents.policies);
  look("HTTPRoute", documents.routes);
  look("DestinationRule", documents.rules);
  look("Gateway", documents.gateways);
  look("ReferenceGrant", documents.grants);
  look("GRPCRoute", documents.grpc_routes);
  look("AuthorizationPolicy", documents.authorizations);
  look("FaultInjection", documents.faults);
  look("InspectionPolicy", documents.inspections);
  return identity;
}

Reading refused(const std::string& key, std::string field, std::string message) {
  return {.errors = {{.file = key, .field = std::move(field), .message = std::move(message)}}};
}

std::string differs(const std::string& found, const std::string& expected) {
  return "expected " + in_quotes(expected) + ", as the key says, got " + in_quotes(found);
}

Reading read_resource(const std::string& key, const Key& parts, std::string_view value) {
  ParsedFile parsed = parse_document(key, value);
  if (!parsed.errors.empty()) {
    return {.errors = std::move(parsed.errors)};
  }
  const auto [kind, metadata] = identity_of(parsed.resources);
  if (metadata == nullptr && parts.kind == "GatewayClass") {
    return {.documents = std::make_shared<const ResourceSet>()};  // checked, and of no more use
  }
  if (metadata == nullptr) {
    return refused(key, "kind", "expected " + in_quotes(parts.kind) + ", as the key says");
  }
  if (kind != parts.kind) {
    return refused(key, "kind", differs(std::string(kind), parts.kind));
  }
  if (metadata->name_space != parts.name_space) {
    return refused(key, "metadata.namespace", differs(metadata->name_space, parts.name_space));
  }
  if (metadata->name != parts.name) {
    return refused(key, "metadata.name", differs(metadata->name, parts.name));
  }
  return {.documents = std::make_shared<const ResourceSet>(std::move(parsed.resources))};
}

}  // namespace

Reading read_value(const std::string& key, std::string_view value) {
  const tl::expected<Key, std::string> parts = parse_key(key);
  if (!parts) {
    return refused(key, "key", parts.error());
  }
  if (parts->is_instance) {
    Reading reading;
    reading.instance = parse_instance(key, value, reading.errors);
    return reading;
  }
  if (value.size() > kMaxResourceBytes) {
    return refused(key, "value",
                   "a resource may have at most " + std::to_string(kMaxResourceBytes) + " bytes, and this has " +
                       std::to_string(value.size()));
  }
  return read_resource(key, *parts, value);
}

}  // namespace weft::registry
