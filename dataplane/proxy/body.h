// SPDX-License-Identifier: Apache-2.0
/// @file A message's body on its way from one connection to another: what belongs to it, and where it ends.
///
/// Bytes move as the slices that they came in. Of the chunked coding all is read that frames, and it goes on as it is;
/// for a receiver that knows no chunks the data alone does.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "http/chunked.h"
#include "http/head.h"
#include "tcp/engine.h"

namespace weft::proxy {

/// What of a body has gone on, kept for another attempt: a few slices.
struct KeptBody {
  std::array<buffer::Slice, 4> slices;
  uint8_t count = 0;
  bool is_whole = true;  ///< false: it did not fit, and nothing is kept

  void keep(buffer::Slice slice) {
    if (is_whole && count < slices.size()) {
      slices[count++] = std::move(slice);
    } else {
      forget();
      is_whole = false;
    }
  }
  void forget() {
    for (uint8_t i = 0; i < count; ++i) {
      slices[i] = {};
    }
    count = 0;
  }
};

class Body {
 public:
  enum class State : uint8_t {
    done,
    waiting,  ///< for bytes
    blocked,  ///< for room: the receiver's connection will tell
    cut,      ///< the sender has closed before the end
    malformed,
  };

  Body() = default;
  explicit Body(const http::Framing& framing, bool unchunk = false)
      : kind_(framing.kind), unchunks_(unchunk), is_done_(ends_at_once(framing)), left_(framing.length) {}

  /// Moves what has come as far as there is room. Of an ended body nothing. @param kept gets a share of it; null:
  /// nobody
  State move(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, KeptBody* kept = nullptr);
  /// Copies what has come of a short body behind its head, of which nobody else has a slice.
  void copy_behind(tcp::Engine& engine, tcp::ConnectionId from, buffer::Slice& head, size_t at_most);
  /// As move(), to nobody.
  State discard(tcp::Engine& engine, tcp::ConnectionId from);

  bool done() const { return is_done_; }
  uint64_t moved() const { return moved_; }  ///< bytes, with what frames them
  http::Defect defect() const { return chunks_.defect(); }

 private:
  static bool ends_at_once(const http::Framing& framing) {
    return framing.kind == http::Framing::Kind::none ||
           (framing.kind == http::Framing::Kind::length && framing.length == 0);
  }
  State move_length(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, KeptBody* kept);
  State move_chunks(tcp::Engine& engine, tcp::ConnectionId from, const tcp::ConnectionId* to, KeptBody* kept);
  State move_rest(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to);
  State what_is_missing(const tcp::Engine& engine, tcp::ConnectionId from) const;

  http::Framing::Kind kind_ = http::Framing::Kind::none;
  bool unchunks_ = false;
  bool is_done_ = true;
  uint64_t left_ = 0;
  uint64_t moved_ = 0;
  http::ChunkedReader chunks_;
};

}  // namespace weft::proxy
