// SPDX-License-Identifier: Apache-2.0
/// @file May this client have this? All AuthorizationPolicies that are about one service's port, compiled.
///
/// Istio's order: what a DENY policy matches is denied; else, if there is any ALLOW policy, what none of them matches
/// is denied too; else it is allowed. A policy matches if any of its rules does. Policies of a dry run are decided
/// beside the others, as if they were enforced with them, and told.
///
/// A request is judged by all that policies know. A connection whose requests nobody reads is judged as Istio does with
/// TCP: a rule of an ALLOW policy that asks for anything of HTTP never matches, and in a DENY policy only the rest of
/// it counts.
///
/// What is meant by a field:
/// - port and destination.ip: the service's, to which the client connects; they are decided when this is made;
/// - ipBlocks and source.ip: the packets' sender;
/// - remoteIpBlocks and remote.ip: that one too. A node knows of no proxies in front of it that it could trust, and
///   x-forwarded-for is what any client likes to write; so it is with Envoy at an edge without trusted hops;
/// - principals and namespaces: those of all services of which the sender's address is an endpoint (caller_table.h). An
///   unknown sender has none: no value holds of it, and every "not" does;
/// - hosts, methods, paths: as routing has them (http_request.h). Methods and paths have case.
///
/// Cost: the source's part of all rules is one set of bits, a client's, which a SourceCache keeps; of a request, one
/// step a field and an AND of as many words as there are 64 rules. What no index tells (a template, a header, several
/// sources) is asked of those rules that are left. Immutable; any number of threads may ask, without an allocation.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lb/authorization_rule.h"
#include "lb/caller_table.h"
#include "lb/clause_sets.h"
#include "lb/http_request.h"

namespace weft::lb {

/// What was decided, and by whom. Numbers are those of Authorization::policies(), and of rules in one.
struct Judgement {
  static constexpr uint16_t kNone = UINT16_MAX;

  bool denied = false;
  bool dry_run_denied = false;  ///< it is allowed, and would not be if policies of a dry run were enforced too
  uint16_t policy = kNone;      ///< that denies or allows; none: no ALLOW policy matches, or there is nothing to match
  uint16_t rule = kNone;
  uint16_t dry_run_policy = kNone;  ///< that would deny; none: no ALLOW policy would match
  uint16_t dry_run_rule = kNone;

  bool operator==(const Judgement&) const = default;
};

/// A client's part: which clauses its source does not rule out.
struct SourceBits {
  std::array<uint64_t, kMostClauseWords> words;
};

class Authorization {
 public:
  /// @param id that no other has: what was found out with one is not taken for another's
  /// @param address,port the service's. Throws std::invalid_argument: all of it is more than a node should hold.
  Authorization(uint64_t id, std::vector<AuthorizationRules> policies, const Address& address, Port port);
  Authorization(const Authorization&) = delete;  // its parts point at each other
  Authorization& operator=(const Authorization&) = delete;

  uint64_t id() const { return id_; }
  const std::vector<AuthorizationRules>& policies() const { return policies_; }
  /// Are these policies at every address and port of a service the same?
  static bool is_same_anywhere(std::span<const AuthorizationRules> policies);

  /// Of a connection whose requests nobody reads.
  Judgement judge(const Address& client, const Caller* caller) const;
  /// Of a request. @param source of client and caller, by find_source()
  Judgement judge(const HttpRequest& request, const uint64_t* source) const;
  Judgement judge(const HttpRequest& request, const Address& client, const Caller* caller) const;

  /// Writes source_words() words.
  void find_source(const Address& client, const Caller* caller, uint64_t* bits) const;
  uint32_t source_words() const { return requests_.words; }

  /// "shop/deny-admin, rule 0"; of a denial by none: "no ALLOW policy matches".
  std::string describe(const Judgement& judgement) const;
  std::string describe_dry_run(const Judgement& judgement) const;
  size_t memory_bytes() const;

 private:
  static constexpr size_t kKinds = 4;
  /// Kinds of policies, in the order in which their clauses lie.
  enum Kind : uint8_t { deny, dry_run_deny, allow, dry_run_allow };
  struct Clause {
    const AuthorizationRule* rule = nullptr;
    const AuthorizationOperation* operation = nullptr;  ///< null: any
    uint16_t policy = Judgement::kNone;
    uint16_t number = Judgement::kNone;  ///< of the rule
  };
  /// Of one field: its values, and those with "not".
  template <typename Index>
  struct Indexes {
    Index is;
    Index is_not;
  };
  struct HeaderIndex {
    std::string name;
    PatternIndex values;
  };
  /// The clauses of requests, or those of connections.
  struct Clauses {
    uint32_t words = 0;
    std::array<uint32_t, kKinds + 1> first{};  ///< word of each kind
    std::vector<Clause> clauses;               ///< by bit
    ClauseBits all;
    ClauseBits source_to_check;                       ///< of which the indexes do not tell all of the source
    ClauseBits operation_to_check;                    ///< or of the rest
    std::vector<Indexes<PatternIndex>> source_texts;  ///< principals, namespaces
    std::vector<Indexes<AddressIndex>> source_addresses;
    std::vector<Indexes<PatternIndex>> operations;  ///< paths, hosts, methods
    std::vector<HeaderIndex> headers;
  };

  void gather(Clauses& clauses, bool of_requests, const Address& address, Port port);
  void index(Clauses& clauses, bool of_requests);
  static void find_source(const Clauses& clauses, const Address& client, const Caller* caller, uint64_t* bits);
  static Clause first_of(const Clauses& clauses, Kind kind, const uint64_t* bits, const HttpRequest* request);
  Judgement settle(const Clauses& clauses, const uint64_t* bits, const HttpRequest* request) const;
  std::string describe(uint16_t policy, uint16_t rule) const;

  uint64_t id_;
  std::vector<AuthorizationRules> policies_;
  bool has_allow_ = false;
  bool has_dry_run_ = false;
  bool has_dry_run_allow_ = false;
  Clauses requests_;
  Clauses connections_;
};

/// What sources were found to be, of the clients of one worker: a fixed number, of which a newer one takes the place of
/// an older. 224 bytes each.
class SourceCache {
 public:
  /// @param entries a power of two, at least 4
  explicit SourceCache(uint32_t entries) : keys_(entries), bits_(entries), mask_(entries / kWays - 1) {}

  /// Of an Authorization that is too large to be kept, it is worked out into `room`.
  const uint64_t* find(const Authorization& authorization, const CallerTable& callers, const Address& client,
                       SourceBits& room);
  size_t memory_bytes() const { return keys_.capacity() * sizeof(Key) + bits_.capacity() * sizeof(Bits); }

 private:
  static constexpr uint32_t kKept = 24;  ///< words
  static constexpr uint32_t kWays = 4;   ///< entries side by side, of which any may be a client's
  struct alignas(32) Key {
    uint64_t authorization = 0;  ///< its number; 0: nobody's
    uint64_t callers = 0;
    Address client;
  };
  using Bits = std::array<uint64_t, kKept>;

  std::vector<Key> keys_;
  std::vector<Bits> bits_;
  uint64_t mask_;
  uint32_t turn_ = 0;  ///< whose place is taken next
};

}  // namespace weft::lb
