// SPDX-License-Identifier: Apache-2.0
#include "proxy/body.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "http/head_writer.h"

namespace weft::proxy {
namespace {

using http::ChunkedReader;
using Kind = http::Framing::Kind;

/// The first bytes of what was received go on, as a part of their buffer if they are not all of it.
/// @returns false: there is no room for them
bool pass(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, size_t bytes, Keeping* keeping) {
  const buffer::Slice& front = *engine.front(from);
  if (keeping != nullptr && keeping->body.is_whole) {
    buffer::Slice share = front.part(0, static_cast<uint16_t>(bytes));
    if (!engine.write(to, share.share())) {
      return false;
    }
    keeping->bodies.keep(keeping->body, std::move(share));
    engine.consume(from, bytes);
    return true;
  }
  if (bytes == front.size()) {
    return engine.relay(from, to, bytes) == bytes;
  }
  if (!engine.write(to, front.part(0, static_cast<uint16_t>(bytes)))) {
    return false;
  }
  engine.consume(from, bytes);
  return true;
}

/// Of a connection that was reset this says no: the event that tells so is still to come.
bool has_ended(const tcp::Engine& engine, tcp::ConnectionId from) {
  return engine.is_open(from) && engine.is_at_end(from);
}

/// What stands in front of a chunk, and behind the one before; of none, the body's end. Empty: no buffer is left.
buffer::Slice size_line(size_t size, bool is_first_over, buffer::Pool& pool) {
  buffer::Buffer* const buffer = pool.take();
  if (buffer == nullptr) {
    return {};
  }
  std::array<char, 24> line;  // NOLINT: written as far as it is read
  char* at = std::copy_n("\r\n", is_first_over ? 2 : 0, line.data());
  at = std::to_chars(at, line.data() + line.size(), size, 16).ptr;
  at = std::copy_n("\r\n\r\n", size == 0 ? 4 : 2, at);
  buffer::Slice slice(buffer, http::HeadWriter::kHeadroom, 0);
  const auto length = static_cast<size_t>(at - line.data());
  std::memcpy(slice.grow(static_cast<uint16_t>(length)).data(), line.data(), length);
  return slice;
}

}  // namespace

Body::State Body::move(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, Keeping* keeping) {
  switch (is_done_ ? Kind::none : kind_) {
    case Kind::none:
      return State::done;
    case Kind::length:
      return move_length(engine, from, to, keeping);
    case Kind::chunked:
      return move_chunks(engine, from, &to, keeping);
    case Kind::close:
      return move_rest(engine, from, to);
  }
  return State::done;
}

void Body::copy_behind(tcp::Engine& engine, tcp::ConnectionId from, buffer::Slice& head, size_t at_most) {
  const buffer::Slice* const front = engine.front(from);
  if (is_done_ || kind_ != Kind::length || front == nullptr || left_ > at_most || front->size() < left_ ||
      head.tailroom() < left_ || !head.is_only_one()) {
    return;
  }
  std::memcpy(head.grow(static_cast<uint16_t>(left_)).data(), front->data(), left_);
  engine.consume(from, left_);
  moved_ += left_;
  left_ = 0;
  is_done_ = true;
}

Body::State Body::discard(tcp::Engine& engine, tcp::ConnectionId from) {
  if (is_done_ || kind_ == Kind::none) {
    return State::done;
  }
  if (kind_ == Kind::chunked) {
    return move_chunks(engine, from, nullptr, nullptr);
  }
  const size_t some = std::min<uint64_t>(kind_ == Kind::length ? left_ : UINT64_MAX, engine.readable(from));
  engine.consume(from, some);
  left_ -= kind_ == Kind::length ? some : 0;
  is_done_ = kind_ == Kind::length ? left_ == 0 : has_ended(engine, from);
  return what_is_missing(engine, from);
}

/// What is left of the body, or of the chunk. @returns whether all of that has gone
bool Body::move_left(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, Keeping* keeping) {
  while (const buffer::Slice* front = engine.front(from)) {
    // Many at once if they are this body's; the last one may hold what comes after it.
    const size_t some = std::min<uint64_t>(front->size(), left_);
    const bool at_once = (keeping == nullptr || !keeping->body.is_whole) && front->size() <= left_;
    const size_t moved = at_once ? engine.relay(from, to, left_) : pass(engine, from, to, some, keeping) ? some : 0;
    left_ -= moved;
    moved_ += moved;
    if (left_ == 0) {
      return true;
    }
    if (moved == 0) {
      break;
    }
  }
  return false;
}

Body::State Body::move_length(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to, Keeping* keeping) {
  is_done_ = move_left(engine, from, to, keeping);
  return !is_done_ && engine.readable(from) > 0 ? State::blocked : what_is_missing(engine, from);
}

Body::State Body::move_in_chunks(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to,
                                 buffer::Pool& pool) {
  while (!is_done_) {
    if (left_ > 0 && !move_left(engine, from, to, nullptr)) {
      return State::blocked;  // a chunk is begun when all of it has come
    }
    const size_t some = engine.readable(from);
    if (some == 0 && !has_ended(engine, from)) {
      return State::waiting;
    }
    buffer::Slice size = size_line(some, moved_ > 0, pool);
    if (size.empty()) {
      return State::no_buffer;
    }
    if (!engine.write(to, std::move(size))) {
      return State::blocked;
    }
    left_ = some;
    is_done_ = some == 0;
  }
  return State::done;
}

Body::State Body::move_chunks(tcp::Engine& engine, tcp::ConnectionId from, const tcp::ConnectionId* to,
                              Keeping* keeping) {
  while (const buffer::Slice* front = engine.front(from)) {
    const std::string_view bytes = text_of(*front);
    // What was read counts only once it has gone on.
    ChunkedReader read = chunks_;
    size_t some = 0;
    ChunkedReader::Part part;
    do {
      part = read.next(bytes.substr(some));
      some += part.bytes;
    } while (some < bytes.size() && coding_ != Coding::data && part.kind != ChunkedReader::Part::Kind::end &&
             part.kind != ChunkedReader::Part::Kind::defect);
    if (part.kind == ChunkedReader::Part::Kind::defect) {
      chunks_ = read;
      return State::malformed;
    }
    const bool goes_on = to != nullptr && (coding_ != Coding::data || part.kind == ChunkedReader::Part::Kind::data);
    if (!goes_on) {
      engine.consume(from, some);
    } else if (!pass(engine, from, *to, some, keeping)) {
      return State::blocked;
    }
    chunks_ = read;
    moved_ += some;
    if (part.kind == ChunkedReader::Part::Kind::end) {
      is_done_ = true;
      return State::done;
    }
  }
  return what_is_missing(engine, from);
}

Body::State Body::move_rest(tcp::Engine& engine, tcp::ConnectionId from, tcp::ConnectionId to) {
  moved_ += engine.relay(from, to, SIZE_MAX);
  is_done_ = has_ended(engine, from);
  return engine.readable(from) > 0 ? State::blocked : what_is_missing(engine, from);
}

Body::State Body::what_is_missing(const tcp::Engine& engine, tcp::ConnectionId from) const {
  if (is_done_) {
    return State::done;
  }
  return has_ended(engine, from) ? State::cut : State::waiting;
}

}  // namespace weft::proxy
