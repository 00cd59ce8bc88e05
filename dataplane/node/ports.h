// SPDX-License-Identifier: Apache-2.0
/// @file The node's ports, opened and shared out among its workers: who receives where, who sends where, and what the
/// pipelines need to know of it.
///
/// Built whole at start, by one thread; read only after that.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "kernel/router.h"
#include "node/config.h"
#include "pods/pods.h"
#include "runtime/port.h"
#include "runtime/worker.h"

namespace weft::node {

/// Packet buffers, of each worker. They must outlive the ports.
struct WorkerBuffers {
  std::vector<const runtime::BufferPool*> plain;
  std::vector<const runtime::BufferPool*> jumbo;  ///< for ports whose packets may not fit a plain one; else null
};

class Ports {
 public:
  /// @param pods null if the node has none; else "pods" is the first port, a device a worker
  static tl::expected<std::unique_ptr<Ports>, std::string> open(const Config& config, const pods::Pods* pods,
                                                                const WorkerBuffers& buffers);

  size_t size() const { return ports_.size(); }
  /// The device behind a port, as a worker uses it.
  const runtime::Port& device(size_t port, uint32_t worker) const {
    return ports_[port].devices.size() == 1 ? *ports_[port].devices[0] : *ports_[port].devices[worker];
  }
  /// Does one worker receive for several at a port, other than the kernel's?
  bool one_polls_for_all() const;
  /// What a worker does with each port, in order.
  std::vector<runtime::PortAccess> access(uint32_t worker) const;
  /// What forwarding is made from.
  const kernel::Base& base() const { return base_; }
  /// Interfaces that are an uplink's twin.
  const std::vector<std::string>& twins() const { return twins_; }

 private:
  using Step = tl::expected<void, std::string>;
  struct NodePort {
    std::vector<std::unique_ptr<runtime::Port>> devices;  ///< one, or one a worker
    uint32_t poller = 0;                                  ///< whose the only queue is, if there is but one
    uint16_t vlan = 0;
  };

  Step open_pods(const pods::Pods& pods, uint32_t mtu, const std::vector<const runtime::BufferPool*>& buffers);
  Step open_uplink(const UplinkConfig& uplink, const WorkerBuffers& buffers);
  Step open_twin(const UplinkConfig& uplink, const WorkerBuffers& buffers);
  tl::expected<NodePort, std::string> open_device(const runtime::PortConfig& config, const WorkerBuffers& buffers);
  /// @returns what is known of the port so far: nobody to send to, others' packets dropped
  kernel::Base::Port& add(NodePort port, uint32_t mtu, l4::Landing landing);
  l4::Landing landing_of(const NodePort& port) const;

  std::vector<NodePort> ports_;
  kernel::Base base_;
  std::vector<std::string> twins_;
  uint32_t workers_ = 1;
};

}  // namespace weft::node
