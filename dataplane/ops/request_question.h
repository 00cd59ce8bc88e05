// SPDX-License-Identifier: Apache-2.0
/// @file A request that is asked about: the words of a command, and what a client would send.
#pragma once

#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "lb/snapshot.h"
#include "ops/show.h"

namespace weft::ops {

struct RequestQuestion {
  std::string shown;    ///< method and URL, as they were asked
  std::string name;     ///< of the service that it is sent to; empty: `address` is
  lb::Address address;  ///< the virtual address
  lb::Port port{};
  std::optional<lb::Address> client;
  std::string head;  ///< bytes, up to and with the empty line
};

/// `<method> http://<service>|<address>[:<port>]<path> [from <address>] [header <name>: <value>]...`
///
/// A service is named as clients name it, `<name>[.<namespace>[.svc[.cluster.local]]]`. A header's value goes on to the
/// next word that is "header". Host is the URL's, unless a header says else.
tl::expected<RequestQuestion, std::string> parse_request_question(const Words& arguments);

/// Whom the request's connection is accepted for, or why there is nobody.
tl::expected<const lb::Service*, std::string> service_asked(const lb::Snapshot& snapshot,
                                                            const RequestQuestion& question);

}  // namespace weft::ops
