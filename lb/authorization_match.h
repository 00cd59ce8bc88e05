// SPDX-License-Identifier: Apache-2.0
/// @file Does what a policy says hold? Conditions one by one, for what no index has told already.
///
/// Istio's: one of the values, and none of those with "not". Of what is not there (a header, a host, the identity of an
/// unknown client) no value holds, and so "not" does.
#pragma once

#include <span>
#include <string_view>

#include "lb/authorization_rule.h"
#include "lb/caller_table.h"
#include "lb/http_request.h"

namespace weft::lb {

bool matches(const TextPattern& pattern, std::string_view text);
/// @param path in its normal form; segments match whole
bool matches_template(std::string_view path_template, std::string_view path);

bool holds(const TextCondition& condition, std::string_view text);
/// Of any of the texts.
bool holds(const TextCondition& condition, std::span<const std::string> texts);
bool holds(const AddressCondition& condition, const Address& address);
bool holds(const PortCondition& condition, uint16_t port);
/// Of a header that is there more than once, its values joined by ", " (RFC 9110, section 5.3).
bool holds_of_header(const TextCondition& condition, std::string_view name, std::span<const HttpField> fields);

/// @param caller null: nobody is known at the address
bool holds(const AuthorizationSource& source, const Address& client, const Caller* caller);
/// Precondition: the key is of the source.
bool holds_of_source(const AuthorizationWhen& when, const Address& client, const Caller* caller);
/// Hosts, methods and paths; ports are decided where the service is known.
bool holds(const AuthorizationOperation& operation, const HttpRequest& request);

}  // namespace weft::lb
