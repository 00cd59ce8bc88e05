// SPDX-License-Identifier: Apache-2.0
/// @file The far end of a port under test: a net_ring port opened as production opens a NIC, and bytes at both its
/// rings.
///
/// net_ring is no wire: whoever receives gets the very mbuf that was sent, metadata and all. So the Wire copies: each
/// frame goes in as a fresh mbuf whose metadata and surroundings are set to what a worker must not rely on, and comes
/// out as bytes, its mbuf freed. A worker that leaks or frees twice shows in its pool.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "packet_builder.h"
#include "runtime/port.h"

struct rte_ring;

namespace weft::test {

class Wire {
 public:
  /// @param name unique in the process. @param depth what the port takes before it is full, plus one; a power of two
  Wire(const std::string& name, const runtime::BufferPool& buffers, uint32_t depth = 512);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  uint16_t port() const { return port_->id(); }
  const runtime::Port& opened() const { return *port_; }

  /// Towards the worker, in one segment or in two with `first_segment` bytes in the first.
  void put(const Bytes& frame, std::optional<size_t> first_segment = std::nullopt);
  void put(const PacketBuilder& frame) { put(frame.bytes()); }
  /// All that the worker has sent, in its order.
  std::vector<Bytes> take();

 private:
  struct Free {
    void operator()(rte_ring* ring) const;
  };
  static std::unique_ptr<rte_ring, Free> make_ring(const std::string& name, uint32_t depth);

  const runtime::BufferPool& buffers_;
  std::unique_ptr<rte_ring, Free> to_worker_;
  std::unique_ptr<rte_ring, Free> from_worker_;
  std::unique_ptr<runtime::Port> port_;  // goes before its rings
};

}  // namespace weft::test
