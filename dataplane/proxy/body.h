// SPDX-License-Identifier: Apache-2.0
/// @file A message's body on its way from one connection to another: what belongs to it, and where it ends.
///
/// Bytes move as the slices that they came in. Of the chunked coding all is read that frames, and it goes on as it is;
/// for a receiver that knows no chunks the data alone does. What has no other end than its connection's goes on in
/// chunks, so that the receiver's connection stays, and a part is not taken for the whole.
#pragma once

#include <cstdint>

#include "http/chunked.h"
#include "http/head.h"
#include "proxy/kept_body.h"
#include "tcp/engine.h"

namespace weft::proxy {

/// Where what of a body has gone on is kept.
struct Keeping {
  KeptBodies& bodies;
  KeptBody& body;
};

class Body {
 public:
  enum class State : uint8_t {
    done,
    waiting,  ///< for bytes
    blocked,  ///< for room: the receiver's connection will tell
    cut,      ///< the sender has closed before the end
    malformed,
    no_buffer,  ///< for a chunk's size
  };
  /// What the receiver gets of it.
  enum class Coding : uint8_t {
    as_it_is,
    data,    ///< of chunks, what is in them
    chunks,  ///< of a body that its connection's end ends: move_in_chunks()
  };

  Body() = default;
  explicit Body(const http::Framing& framing, Coding coding = Coding::as_it_is)
      : kind_(framing.kind), coding_(coding), is_done_(ends_at_once(framing)), left_(framing.length) {}

  /// Moves what has come as far as there is room. Of an ended body nothing. @param keeping gets a share of it; null:
  /// nobody
  State move(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, Keeping* keeping = nullptr);
  /// All that has come as one chunk, and the last one when the sender has closed.
  /// @param pool of buffers for sizes, a few bytes each
  State move_in_chunks(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, buffer::Pool& pool);
  /// Copies what has come of a short body behind its head, of which nobody else has a slice.
  void copy_behind(tcp::Engine& engine, tcp::ConnectionId from, buffer::Slice& head, size_t at_most);
  /// As move(), to nobody.
  State discard(tcp::Engine& engine, tcp::ConnectionId from);

  bool done() const { return is_done_; }
  Coding coding() const { return coding_; }
  uint64_t moved() const { return moved_; }  ///< bytes, with what frames them
  http::Defect defect() const { return chunks_.defect(); }

 private:
  static bool ends_at_once(const http::Framing& framing) {
    return framing.kind == http::Framing::Kind::none ||
           (framing.kind == http::Framing::Kind::length && framing.length == 0);
  }
  bool move_left(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, Keeping* keeping);
  State move_length(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, Keeping* keeping);
  State move_chunks(tcp::Engine& engine, tcp::ConnectionId from, const tcp::ConnectionId* to, Keeping* keeping);
  State move_rest(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to);
  State what_is_missing(const tcp::Engine& engine, tcp::ConnectionId from) const;

  http::Framing::Kind kind_ = http::Framing::Kind::none;
  Coding coding_ = Coding::as_it_is;
  bool is_done_ = true;
  uint64_t left_ = 0;  ///< of the body, or of the chunk that was begun
  uint64_t moved_ = 0;
  http::ChunkedReader chunks_;
};

}  // namespace weft::proxy
