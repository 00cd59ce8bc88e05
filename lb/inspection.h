// SPDX-License-Identifier: Apache-2.0
/// @file Compiled policies of inspection: what of a message is found by signatures, and what becomes of it.
///
/// There is a database for each kind and part of messages that anybody looks at (SignatureDatabase), so that a request
/// without a body costs two scans and a response one. Heads lie in one piece; bodies are scanned slice by slice as they
/// pass. A target is looked at as it came, and again percent-decoded, up to kDecodings times as long as that changes
/// it; a form's body (application/x-www-form-urlencoded) as it came and decoded.
///
/// Immutable, but for what each worker has of its own: scratch, streams (kStreamBytes of them for each kind), counters.
/// A worker's index is that worker's alone; counters may be read by any thread. An exchange may outlive the snapshot
/// that this is of, so whoever owns it keeps it until in_use() says no.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/percent_decoder.h"
#include "lb/signature.h"
#include "lb/signature_database.h"

namespace weft::lb {

/// What was found in a message, or a part of it: the first signatures, by their numbers.
struct Finding {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t denied_by = kNone;
  uint32_t would_deny = kNone;  ///< of a dry run
  uint32_t logged = kNone;
  uint32_t found = 0;  ///< how many, of all actions

  bool denied() const { return denied_by != kNone; }
};

class Inspection {
 public:
  using Message = Signature::Message;
  using Part = Signature::Part;

  static constexpr size_t kMostSignatures = 4096;
  /// Characters once repetitions are written out, of all that is about one service: compiling the worst of so many
  /// takes a few seconds.
  static constexpr size_t kMostExpandedInAll = 100'000;
  static constexpr uint32_t kDecodings = 3;
  static constexpr size_t kLongestDecoded = 32 << 10;  ///< of targets: longer than any that is taken
  static constexpr size_t kStreamBytes = size_t{1} << 20;
  static constexpr uint32_t kFewestStreams = 16;
  static constexpr uint32_t kMostStreams = 1024;

  /// Throws std::invalid_argument, which names the signature and what is wrong.
  /// @param rules of policies in the order of their names @param workers that scan
  Inspection(std::vector<InspectionRules> rules, size_t workers);

  const std::vector<InspectionRules>& rules() const { return rules_; }
  /// Of all policies' bodies, the most that any wants to see.
  uint64_t body_bytes() const { return body_bytes_; }
  /// Is a message denied if its body is not seen as a whole? By policies in force that look into such bodies: one of a
  /// dry run denies nothing, nor does one that would not have looked.
  bool denies_unseen(Message message) const { return !unseen_policy(message).empty(); }
  /// Does any policy in force deny messages by what is in their bodies, or by that they can't be seen?
  bool enforces(Message message) const { return enforces_[static_cast<size_t>(message)]; }
  /// The first policy that says so.
  std::string_view unseen_policy(Message message) const { return unseen_policies_[static_cast<size_t>(message)]; }

  bool has(Message message, Part part) const { return !of(message, part).empty(); }

  size_t signatures() const { return numbered_.size(); }
  const Signature& signature(uint32_t number) const { return *numbered_[number].signature; }
  const InspectionRules& rules_of(uint32_t number) const { return rules_[numbered_[number].rules]; }
  /// "namespace/policy signature"
  std::string_view name(uint32_t number) const { return numbered_[number].name; }
  /// Messages in which it was found, by all workers.
  uint64_t found(uint32_t number) const;

  /// All that is found in a request's head, each once, in the order in which a worker finds it. Nothing counts. For
  /// any thread that is no worker: it allocates.
  std::vector<uint32_t> found_in(std::string_view target, std::string_view lines) const;

  // What follows is a worker's.

  /// The message that is looked at from now on is another one.
  void begin(size_t worker) const { ++desks_[worker]->message; }
  void scan_target(size_t worker, std::string_view target, Finding& finding) const;
  void scan_fields(size_t worker, Message message, std::string_view lines, Finding& finding) const;

  /// A body that goes by.
  struct Body {
    Message message = Message::request;
    uint32_t raw = SignatureStreams::kNone;
    uint32_t decoded = SignatureStreams::kNone;
    PercentDecoder decoder;
    uint64_t left = 0;  ///< of body_bytes()
  };
  /// @param is_form it is looked at decoded, too @returns nothing: no stream is left
  std::optional<Body> open_body(size_t worker, Message message, bool is_form) const;
  /// What follows of it. @returns false: not all of it is looked at, as it goes on beyond body_bytes()
  bool scan_body(size_t worker, Body& body, std::string_view bytes, Finding& finding) const;
  void close_body(size_t worker, const Body& body) const;

  /// Does any worker have a body of it?
  bool in_use() const;
  size_t memory_bytes() const;
  size_t stream_bytes(Message message) const { return of(message, Part::body).stream_bytes(); }
  uint32_t streams(Message message) const;

 private:
  struct Numbered {
    const Signature* signature = nullptr;
    uint32_t rules = 0;
    std::string name;
  };
  /// What one worker has.
  struct alignas(64) Desk {
    MatcherScratch scratch;
    SignatureStreams streams[2];  // by message
    std::unique_ptr<char[]> decoded[2];
    std::vector<uint64_t> told_in;  ///< by signature: the message in which it was last found
    std::unique_ptr<std::atomic<uint64_t>[]> found;
    uint64_t message = 0;
    std::atomic<uint32_t> bodies{0};
  };
  struct Scan;

  static bool note(uint32_t number, void* context);
  const SignatureDatabase& of(Message message, Part part) const {
    return databases_[static_cast<size_t>(message) * 3 + static_cast<size_t>(part)];
  }

  std::vector<InspectionRules> rules_;
  std::vector<Numbered> numbered_;
  std::vector<SignatureDatabase> databases_;  ///< by message and part
  std::vector<std::unique_ptr<Desk>> desks_;
  uint64_t body_bytes_ = 0;
  bool enforces_[2] = {};           ///< by message
  std::string unseen_policies_[2];  ///< by message; empty: none
};

}  // namespace weft::lb
