// SPDX-License-Identifier: Apache-2.0
/// @file What is looked for in requests and responses, as policies of inspection say it. Values only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft::lb {

struct Signature {
  enum class Message : uint8_t { request, response };
  enum class Part : uint8_t {
    target,  ///< of requests: as it came, and percent-decoded
    header,  ///< the fields as they came, "name: value" with CRLF between
    body,    ///< the data, without what frames chunks
  };
  enum class Action : uint8_t { count, log, deny };

  std::string name;
  Message message = Message::request;
  Part part = Part::target;
  std::string text;
  bool is_expression = false;  ///< else it is looked for literally
  bool ignores_case = false;
  std::string header;  ///< of Part::header: in this field's line alone; empty: in any
  Action action = Action::deny;

  bool operator==(const Signature&) const = default;
};

/// One policy's.
struct InspectionRules {
  static constexpr uint64_t kBodyBytes = 64 << 10;

  std::string policy;  ///< "namespace/name"
  bool dry_run = false;
  uint64_t body_bytes = kBodyBytes;  ///< of each message's body that are looked at
  bool denies_unseen = false;        ///< messages that could not be looked at as a whole; else they pass
  std::vector<Signature> signatures;

  bool operator==(const InspectionRules&) const = default;
};

}  // namespace weft::lb
