// SPDX-License-Identifier: Apache-2.0
#include "proxy/detector.h"

#include <algorithm>
#include <array>

#include "proxy/connection_user.h"

namespace weft::proxy {
namespace {

/// A method and what follows it. Longer ones exist, and nobody uses them.
constexpr size_t kLongestMethod = 24;
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2";

bool is_method(char each) {
  return (each >= 'A' && each <= 'Z') || each == '-' || each == '_';
}

}  // namespace

Spoken recognize(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size() && is_method(bytes[at])) {
    ++at;
  }
  if (at == bytes.size()) {
    return at > kLongestMethod ? Spoken::opaque : Spoken::undecided;
  }
  if (at == 0 || at > kLongestMethod || bytes[at] != ' ') {
    return Spoken::opaque;
  }
  const std::string_view preface = bytes.substr(0, kHttp2Preface.size());
  if (preface == kHttp2Preface.substr(0, preface.size())) {
    return preface.size() == kHttp2Preface.size() ? Spoken::opaque : Spoken::undecided;
  }
  if (at + 1 == bytes.size()) {
    return Spoken::undecided;
  }
  const char target = bytes[at + 1];
  const bool may_be_authority = bytes.substr(0, at) == "CONNECT" && target > ' ' && target < 0x7f;
  return target == '/' || target == '*' || target == 'h' || target == 'H' || may_be_authority ? Spoken::http
                                                                                              : Spoken::opaque;
}

Detector::Detector(tcp::Engine& engine, uint32_t connections, time::Millis patience)
    : engine_(engine), patience_(patience), ring_(connections) {
  found_.reserve(connections);
}

std::optional<Spoken> Detector::begin(tcp::ConnectionId id, time::Millis now) {
  const Spoken spoken = look_at(id);
  if (spoken != Spoken::undecided) {
    return spoken;
  }
  if (count_ == ring_.size()) {
    return Spoken::opaque;
  }
  const auto place = static_cast<uint32_t>((first_ + count_++) % ring_.size());
  ring_[place] = {.id = id, .until = now + patience_};
  engine_.set_user(id, ConnectionUser{Role::undecided, place}.value());
  return std::nullopt;
}

void Detector::act(const tcp::Event& event) {
  const uint32_t place = ConnectionUser::of(event.user).number;
  if (place >= ring_.size() || ring_[place].is_over || ring_[place].id != event.id) {
    return;
  }
  constexpr uint16_t kOver = tcp::event::closed | tcp::event::reset | tcp::event::timed_out;
  if ((event.what & kOver) != 0) {
    ring_[place].is_over = true;
    return;
  }
  Spoken spoken = look_at(event.id);
  if (spoken == Spoken::undecided && engine_.has_peer_closed(event.id)) {
    spoken = Spoken::opaque;
  }
  if (spoken != Spoken::undecided) {
    ring_[place].is_over = true;
    found_.push_back({event.id, spoken});
  }
}

void Detector::advance(time::Millis now) {
  while (count_ > 0 && (ring_[first_].is_over || static_cast<int32_t>(now - ring_[first_].until) >= 0)) {
    if (!ring_[first_].is_over) {
      found_.push_back({ring_[first_].id, Spoken::opaque});
    }
    first_ = (first_ + 1) % ring_.size();
    --count_;
  }
}

Spoken Detector::look_at(tcp::ConnectionId id) const {
  std::array<std::byte, kLongestMethod + 2> bytes;
  const size_t count = engine_.peek(id, bytes);
  return recognize({reinterpret_cast<const char*>(bytes.data()), count});
}

}  // namespace weft::proxy
