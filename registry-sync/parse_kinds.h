// SPDX-License-Identifier: Apache-2.0
/// @file One function a kind; parse.cc calls them. Internal to the parser.
///
/// `document` is the whole object with apiVersion and kind already asked for. Each function reads the rest, reports
/// what is wrong through it, and appends to `resources` in any case: a file with errors is discarded whole.
#pragma once

#include "registry-sync/resources.h"
#include "registry-sync/yaml_fields.h"

namespace weft::registry {

void parse_service(Fields& document, ResourceSet& resources);
void parse_endpoint_slice(Fields& document, ResourceSet& resources);
void parse_service_policy(Fields& document, ResourceSet& resources);
void parse_fault_injection(Fields& document, ResourceSet& resources);
void parse_http_route(Fields& document, ResourceSet& resources);
void parse_grpc_route(Fields& document, ResourceSet& resources);
void parse_gateway(Fields& document, ResourceSet& resources);
void parse_gateway_class(Fields& document, ResourceSet& resources);
void parse_reference_grant(Fields& document, ResourceSet& resources);
void parse_destination_rule(Fields& document, ResourceSet& resources);
void parse_authorization_policy(Fields& document, ResourceSet& resources);
void parse_inspection_policy(Fields& document, ResourceSet& resources);

/// A ServicePolicy's.
std::optional<HealthCheck> parse_health_check(Fields fields);
/// `callers` of a ServicePolicy's limits; nothing: it says none.
std::optional<lb::CallerLimits> parse_caller_limits(Fields callers);
/// `requests` of a ServicePolicy's limits. @param name_space of the policy
std::vector<lb::RequestLimit> parse_request_limits(Fields& limits, const std::string& name_space);

/// A DNS label (RFC 1123): up to 63 of a-z, 0-9 and inner "-".
bool is_label(std::string_view text);
/// Labels with dots between, 253 characters in all.
bool is_subdomain(std::string_view text);
/// Reports a name that is not a DNS label (RFC 1123): up to 63 of a-z, 0-9 and inner "-". An empty one passes.
void check_label(Fields& fields, std::string_view key, std::string_view name);
/// The same for a DNS subdomain.
void check_subdomain(Fields& fields, std::string_view key, std::string_view name);

/// Reads name and namespace, and hands out labels and annotations for the caller to look into.
struct ParsedMetadata {
  Metadata metadata;
  int64_t created = 0;  ///< seconds since 1970; 0 if it does not say
  Fields labels;
  Fields annotations;
};
/// @param check_name check_label() or check_subdomain(), as the kind's names must be
/// @param annotation the one of weft's own that the kind knows, or ""; any other under weft.dev/ is an error
ParsedMetadata parse_metadata(Fields& document, void (*check_name)(Fields&, std::string_view, std::string_view),
                              std::string_view annotation);

/// Why a packet can't be sent there, such as "which is multicast"; empty if it can.
std::string_view unicast_problem(const lb::Address& address);

/// TCP unless the field says UDP.
lb::Protocol parse_port_protocol(Fields& port);

/// `ports` of a slice, or of an instance.
std::vector<ServicePort> parse_endpoint_ports(Fields& document);
/// `conditions` of an endpoint: as in Kubernetes, nothing said of `ready` means ready, and `serving` is as `ready` if
/// nothing is said of it. Kubernetes says ready: false of what terminates, so `terminating` decides first: who still
/// serves then drains.
lb::EndpointState parse_conditions(Fields conditions);

}  // namespace weft::registry
