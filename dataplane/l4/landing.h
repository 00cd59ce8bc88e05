// SPDX-License-Identifier: Apache-2.0
/// @file Which worker does a packet of a given tuple come to, at a given port?
///
/// A flow belongs to the worker that its first packet came to, and its replies must reach that worker. Whoever makes a
/// flow therefore asks where its replies will land: with a source port of weft's own choice, one is picked that lands
/// at home; without, the worker where they land is told whose they are (see crossing.h).
///
/// Immutable. Used at the beginning of flows, and for fragments and ICMP errors.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "l4/toeplitz.h"
#include "lb/flow_key.h"

namespace weft::l4 {

/// Of a flow's client end; the eBPF programs' (bpf/abi.h), handed in so that there is but one.
using ClientHash = uint32_t (*)(const lb::Address& address, lb::Port port, lb::Protocol protocol);

class Landing {
 public:
  /// A port with one queue, polled by one worker, which spreads new flows over all workers by the client's hash.
  static Landing at(uint32_t worker, uint32_t workers, ClientHash hash);
  /// A port a worker: eBPF picks by the client's hash, of requests and replies alike.
  static Landing by_client(uint32_t workers, ClientHash hash);
  /// A port with a queue a worker and receive-side scaling. @param table which worker's queue each row names; its size
  /// is a power of two
  static Landing by_rss(std::shared_ptr<const Toeplitz> toeplitz, std::vector<uint16_t> table);

  /// A port with a queue a worker, and no way to tell which one a packet comes in by.
  static Landing anywhere(uint32_t workers);

  bool predictable() const { return kind_ != Kind::anywhere; }

  /// Whose a request is. @param here the answer where nobody can tell: the worker that asks
  template <typename Key>
  uint32_t of_request(const Key& request, uint32_t here) const {
    switch (kind_) {
      case Kind::one:
      case Kind::client:
        return hash_(request.source, request.source_port, request.protocol) % workers_;
      case Kind::rss:
        return by_table(toeplitz_->hash(request));
      case Kind::anywhere:
        break;
    }
    return here;
  }
  /// Where a reply comes in; with a port that spreads(), that is not where it belongs.
  template <typename Key>
  uint32_t of_reply(const Key& reply, uint32_t here) const {
    switch (kind_) {
      case Kind::one:
        return worker_;
      case Kind::client:
        return hash_(reply.destination, reply.destination_port, reply.protocol) % workers_;
      case Kind::rss:
        return by_table(toeplitz_->hash(reply));
      case Kind::anywhere:
        break;
    }
    return here;
  }
  /// Whose a reply is whose destination is an address and port of the node's own: the port says so.
  template <typename Key>
  uint32_t owner_of_own(const Key& reply) const {
    return kind_ == Kind::one || kind_ == Kind::anywhere ? to_host(reply.destination_port) % workers_
                                                         : of_reply(reply, 0);
  }
  /// Does the worker that packets land at hand them over to their owners?
  bool spreads() const { return kind_ == Kind::one && workers_ > 1; }

 private:
  enum class Kind : uint8_t { one, client, rss, anywhere };

  uint32_t by_table(uint32_t hash) const { return table_[hash & (table_.size() - 1)]; }

  Kind kind_ = Kind::one;
  uint32_t worker_ = 0;
  uint32_t workers_ = 1;
  ClientHash hash_ = nullptr;
  std::shared_ptr<const Toeplitz> toeplitz_;
  std::vector<uint16_t> table_;
};

}  // namespace weft::l4
