// SPDX-License-Identifier: Apache-2.0
/// @file What must hold of a connection as it shows on the wire, seen from one of its ends.
///
/// Independent of the engine: from the segments alone it knows what each side allowed the other to send.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tcp_frame.h"

namespace weft::simulation {

struct PairOrder {
  bool operator()(const tcp::SocketPair& a, const tcp::SocketPair& b) const;
};

/// The same connection, as the other side names it.
tcp::SocketPair mirrored(const tcp::SocketPair& pair);

class WireWatch {
 public:
  /// Of a host that sends it. @returns what it breaks; empty: nothing
  std::string sent(const Packet& packet);
  void received(const Packet& packet);

  /// What a host may get of a connection that is established, as far as is known.
  struct Receiving {
    tcp::Seq received_to;  ///< no byte behind it has come
    tcp::Seq edge;         ///< no byte behind it may come
  };
  std::optional<Receiving> receiving(const tcp::SocketPair& pair) const;

 private:
  struct View {
    bool spoke = false;  ///< the host has sent a SYN
    bool heard = false;  ///< and got one
    tcp::Seq first;      ///< of the host's SYN
    tcp::Seq peer_first;
    bool offers_scale = false;
    bool peer_offers_scale = false;
    uint8_t shift = 0;
    uint8_t peer_shift = 0;

    bool has_edge = false;
    tcp::Seq edge;  ///< right of what the host allows
    bool edge_of_syn = false;
    bool peer_has_edge = false;
    tcp::Seq peer_edge;  ///< right of what the peer allows, of all that has arrived
    bool peer_closed = false;
    tcp::Seq peer_end;     ///< behind the peer's FIN
    tcp::Seq received_to;  ///< behind the furthest that came from the peer

    uint32_t bare = 0;      ///< segments without a length since something moved
    uint32_t loaded = 0;    ///< segments with a length, of both sides, since
    tcp::Seq sent_to;       ///< the furthest that was sent
    tcp::Seq acknowledged;  ///< the furthest that was acknowledged to the peer
    tcp::Seq peer_acknowledged;

    void moved() { bare = loaded = 0; }
  };

  std::map<tcp::SocketPair, View, PairOrder> views_;
};

}  // namespace weft::simulation
