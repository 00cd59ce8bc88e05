// SPDX-License-Identifier: Apache-2.0
/// @file Connections of services that do not say what their bytes are: the client's first ones tell.
///
/// Who says nothing for a while is taken for a client that waits for its server's first word; its bytes are not looked
/// at any more. One thread; all memory is taken at construction.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tcp/engine.h"
#include "time/clock.h"

namespace weft::proxy {

enum class Spoken : uint8_t {
  http,
  opaque,     ///< TLS, HTTP/2, or anything else
  undecided,  ///< these bytes may be either's beginning
};
/// @param bytes the first ones of a connection
Spoken recognize(std::string_view bytes);

class Detector {
 public:
  struct Found {
    tcp::ConnectionId id;
    Spoken spoken = Spoken::opaque;  ///< never undecided
  };

  Detector(tcp::Engine& engine, uint32_t connections, time::Millis patience);

  /// A connection that has been accepted. @returns what it speaks, if its bytes are there already; nothing: found()
  /// will tell, if it lasts so long
  std::optional<Spoken> begin(tcp::ConnectionId id, time::Millis now);
  /// There is something new of it.
  void act(const tcp::Event& event);
  /// Those that have said nothing for too long.
  void advance(time::Millis now);
  /// The caller's to empty.
  std::vector<Found>& found() { return found_; }

 private:
  struct Waiting {
    tcp::ConnectionId id;
    time::Millis until = 0;
    bool is_over = false;
  };
  Spoken look_at(tcp::ConnectionId id) const;

  tcp::Engine& engine_;
  const time::Millis patience_;
  std::vector<Waiting> ring_;  ///< in the order of their time
  size_t first_ = 0;
  size_t count_ = 0;
  std::vector<Found> found_;
};

}  // namespace weft::proxy
