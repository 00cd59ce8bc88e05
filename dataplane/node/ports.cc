// SPDX-License-Identifier: Apache-2.0
#include "node/ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "bpf/abi.h"

namespace weft::node {
namespace {

/// The eBPF programs' hash, so that there is but one.
uint32_t client_hash(const lb::Address& address, lb::Port port, lb::Protocol protocol) {
  return weft_client_hash(std::bit_cast<weft_address>(address), static_cast<uint16_t>(port),
                          static_cast<uint8_t>(protocol));
}

}  // namespace

tl::expected<std::unique_ptr<Ports>, std::string> Ports::open(const Config& config, const pods::Pods* pods,
                                                              const WorkerBuffers& buffers) {
  auto ports = std::make_unique<Ports>();
  ports->workers_ = static_cast<uint32_t>(buffers.plain.size());
  if (pods != nullptr) {
    for (const lb::Prefix& network : config.pod_networks) {
      ports->routes_.push_back({.prefix = network, .hop = 0});
    }
    if (Step opened = ports->open_pods(*pods, config.pods->mtu, buffers.plain); !opened) {
      return tl::unexpected(opened.error());
    }
  }
  for (const UplinkConfig& uplink : config.ports) {
    for (const lb::Prefix& network : uplink.networks) {
      ports->routes_.push_back({.prefix = network, .hop = static_cast<uint16_t>(ports->hops_.size())});
    }
    if (Step opened = ports->open_uplink(uplink, buffers); !opened) {
      return tl::unexpected(opened.error());
    }
  }
  ports->forwarding_ = std::make_unique<l4::Forwarding>(ports->views_, ports->hops_, ports->routes_);
  return ports;
}

Ports::Step Ports::open_pods(const pods::Pods& pods, uint32_t mtu,
                             const std::vector<const runtime::BufferPool*>& buffers) {
  NodePort port;
  for (uint32_t worker = 0; worker < workers_; ++worker) {
    const std::string& interface = pods.workers()[worker].afxdp.name;
    auto device = runtime::Port::open(
        {.name = "pods", .device = fmt::format("net_af_xdp{},iface={}", worker, interface)}, {buffers[worker]});
    if (!device) {
      return tl::unexpected(device.error());
    }
    port.devices.push_back(std::move(*device));
  }
  // What a worker sends is the kernel's business behind the veth: no program there reads the Ethernet addresses.
  add(std::move(port), pods.workers()[0].kernel.mac, mtu, l4::Landing::by_client(workers_, client_hash), true);
  return {};
}

Ports::Step Ports::open_uplink(const UplinkConfig& uplink, const WorkerBuffers& buffers) {
  // Ports with one queue are dealt out, so that no worker has them all; the queue's buffers are its poller's.
  const auto poller = static_cast<uint32_t>(ports_.size() % workers_);
  std::vector<const runtime::BufferPool*> queues =
      uplink.port.mtu + kBufferSlack > runtime::kBufferBytes ? buffers.jumbo : buffers.plain;
  std::swap(queues[0], queues[poller]);
  auto device = runtime::Port::open(uplink.port, queues);
  if (!device) {
    return tl::unexpected(device.error());
  }
  NodePort port{.poller = poller};
  port.devices.push_back(std::move(*device));
  l4::Landing landing = landing_of(port);
  add(std::move(port), uplink.next_hop, uplink.port.mtu, std::move(landing), false);
  return {};
}

l4::Landing Ports::landing_of(const NodePort& port) const {
  const runtime::Port& device = *port.devices[0];
  switch (device.spreading()) {
    case runtime::Spreading::none:
      return l4::Landing::at(port.poller, workers_, client_hash);
    case runtime::Spreading::rss:
      return l4::Landing::by_rss(std::make_shared<l4::Toeplitz>(device.rss_key()), device.rss_table());
    case runtime::Spreading::unknown:
      break;
  }
  return l4::Landing::anywhere(workers_);
}

void Ports::add(NodePort port, const runtime::MacAddress& next_hop, uint32_t mtu, l4::Landing landing,
                bool kernel_behind) {
  const auto number = static_cast<uint8_t>(ports_.size());
  const auto hop = static_cast<uint16_t>(hops_.size());
  l4::NextHop way{.mtu = static_cast<uint16_t>(mtu), .port = number};
  const runtime::MacAddress own = port.devices[0]->mac();
  std::copy(next_hop.begin(), next_hop.end(), way.addresses.begin());
  std::copy(own.begin(), own.end(), way.addresses.begin() + next_hop.size());
  hops_.push_back(way);
  views_.push_back({.landing = std::move(landing),
                    .default_hop = hop,
                    .others_hop = hop,
                    .others = kernel_behind ? l4::Port::Others::kernel : l4::Port::Others::drop});
  ports_.push_back(std::move(port));
}

std::vector<runtime::PortAccess> Ports::access(uint32_t worker) const {
  std::vector<runtime::PortAccess> all;
  for (const NodePort& port : ports_) {
    const bool own_device = port.devices.size() > 1;
    const runtime::Port& device = own_device ? *port.devices[worker] : *port.devices[0];
    const bool own_queue = own_device || device.queues() > 1 || workers_ == 1;
    all.push_back({.device = device.id(),
                   .queue = static_cast<uint16_t>(device.queues() > 1 ? worker : 0),
                   .receives = own_queue || port.poller == worker,
                   .intake = {.join = device.scatters(), .checksums = device.checks_checksums()},
                   .transmitter = own_queue ? worker : port.poller});
  }
  return all;
}

}  // namespace weft::node
