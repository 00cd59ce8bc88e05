// SPDX-License-Identifier: Apache-2.0
/// @file Many signatures looked for at once: a Hyperscan database of those of one part of messages.
///
/// Literals are compiled as expressions that match them alone, and case is ignored by "(?i:", so that all have the same
/// flags (Hyperscan's issue 281; its literal interface fails in 5.4.0: 303, 353). A dot is any byte; in heads, where a
/// line is a field, any byte of the line; there "^" is a line's begin and "$" stands before LF, so that its end is
/// "\r?$".
///
/// Bodies are scanned as streams: a match may begin in one slice and end in another. Hyperscan allocates as a stream is
/// opened, so a worker keeps streams that were opened before (SignatureStreams), and resets them.
///
/// Immutable. Any number of threads may scan, each with its own scratch and streams.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lb/expressions.h"
#include "lb/signature.h"

struct hs_stream;

namespace weft::lb {

/// Told of each signature that is found, by its number. @returns whether nothing more is wanted
using SignatureFound = bool (*)(uint32_t number, void* context);

/// Why the signature can't be looked for, with the place in its expression where there is one; empty: it can.
std::string signature_problem(const Signature& signature);

class SignatureDatabase {
 public:
  struct Entry {
    const Signature* signature = nullptr;
    uint32_t number = 0;  ///< that is told
  };
  static constexpr size_t kMostBytes = 64 << 20;
  static constexpr size_t kMostStreamBytes = 64 << 10;

  /// Throws std::invalid_argument, which names the signature where it is one's fault, or what is too large.
  /// @param entries of one part, none of which has a problem
  SignatureDatabase(const std::vector<Entry>& entries, Signature::Part part);

  bool empty() const { return database_ == nullptr; }
  /// As Expressions::prepare().
  void prepare(MatcherScratch& scratch) const;
  /// Precondition: not of bodies, not empty, and the scratch was prepared. Each signature is told of once.
  void scan(std::string_view text, hs_scratch* scratch, SignatureFound found, void* context) const;

  size_t memory_bytes() const;
  /// 0: not of bodies.
  size_t stream_bytes() const;

 private:
  friend class SignatureStreams;
  std::unique_ptr<hs_database, DeleteMatcher> database_;  ///< null: there is nothing to look for
};

/// Streams of one database and one worker. No allocation after construction. One thread.
class SignatureStreams {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  SignatureStreams() = default;
  /// @param database outlives this
  SignatureStreams(const SignatureDatabase& database, uint32_t count);
  SignatureStreams(SignatureStreams&&) = default;
  SignatureStreams& operator=(SignatureStreams&&) = default;
  ~SignatureStreams();

  /// At the beginning of a text. kNone: none is left.
  uint32_t take(hs_scratch* scratch);
  void give_back(uint32_t stream) { free_.push_back(stream); }
  /// What follows. Each signature is told of once a stream. Once nothing more was wanted, it is of no more use.
  void scan(uint32_t stream, std::string_view text, hs_scratch* scratch, SignatureFound found, void* context);
  uint32_t capacity() const { return static_cast<uint32_t>(streams_.size()); }

 private:
  std::vector<hs_stream*> streams_;
  std::vector<uint32_t> free_;
};

}  // namespace weft::lb
