// SPDX-License-Identifier: Apache-2.0
#include "node/ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>

#include "bpf/abi.h"

namespace weft::node {
namespace {

/// The eBPF programs' hash, so that there is but one.
uint32_t client_hash(const lb::Address& address, lb::Port port, lb::Protocol protocol) {
  return weft_client_hash(std::bit_cast<weft_address>(address), static_cast<uint16_t>(port),
                          static_cast<uint8_t>(protocol));
}

constexpr uint16_t kTwinDescriptors = 256;  // TAP takes a packet buffer for each at once
constexpr uint32_t kTwinBurst = 50;         // a fiftieth of a second's worth may come at once

l4::NextHop hop_to(const runtime::MacAddress& next_hop, const kernel::Base::Port& port) {
  l4::NextHop hop{.mtu = port.mtu, .port = port.fixed.port};
  std::copy(next_hop.begin(), next_hop.end(), hop.addresses.begin());
  std::copy(port.mac.begin(), port.mac.end(), hop.addresses.begin() + next_hop.size());
  return hop;
}

}  // namespace

tl::expected<std::unique_ptr<Ports>, std::string> Ports::open(const Config& config, const pods::Pods* pods,
                                                              const WorkerBuffers& buffers) {
  auto ports = std::make_unique<Ports>();
  ports->workers_ = static_cast<uint32_t>(buffers.plain.size());
  if (pods != nullptr) {
    for (const lb::Prefix& network : config.pod_networks) {
      ports->base_.networks.push_back({.prefix = network, .port = 0});
    }
    if (Step opened = ports->open_pods(*pods, config.pods->mtu, buffers.plain); !opened) {
      return tl::unexpected(opened.error());
    }
  }
  for (const UplinkConfig& uplink : config.ports) {
    for (const lb::Prefix& network : uplink.networks) {
      ports->base_.networks.push_back({.prefix = network, .port = static_cast<uint8_t>(ports->ports_.size())});
    }
    if (Step opened = ports->open_uplink(uplink, buffers); !opened) {
      return tl::unexpected(opened.error());
    }
    if (uplink.twin) {
      if (Step opened = ports->open_twin(uplink, buffers); !opened) {
        return tl::unexpected(opened.error());
      }
    }
  }
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
  kernel::Base::Port& base = add(std::move(port), mtu, l4::Landing::by_client(workers_, client_hash));
  // What a worker sends is the kernel's business behind the veth: no program there reads the Ethernet addresses.
  base.fixed = hop_to(pods.workers()[0].kernel.mac, base);
  base.view.others = l4::Port::Others::kernel;
  return {};
}

/// Ports with one queue are dealt out, so that no worker has them all; the queue's buffers are its poller's.
tl::expected<Ports::NodePort, std::string> Ports::open_device(const runtime::PortConfig& config,
                                                              const WorkerBuffers& buffers) {
  NodePort port{.poller = static_cast<uint32_t>(ports_.size() % workers_)};
  runtime::PortConfig polled = config;
  polled.poller = port.poller;
  auto device =
      runtime::Port::open(polled, config.mtu + kBufferSlack > runtime::kBufferBytes ? buffers.jumbo : buffers.plain);
  if (!device) {
    return tl::unexpected(device.error());
  }
  port.devices.push_back(std::move(*device));
  return port;
}

Ports::Step Ports::open_uplink(const UplinkConfig& uplink, const WorkerBuffers& buffers) {
  auto port = open_device(uplink.port, buffers);
  if (!port) {
    return tl::unexpected(port.error());
  }
  port->vlan = uplink.vlan;
  l4::Landing landing = landing_of(*port);
  kernel::Base::Port& base = add(std::move(*port), uplink.port.mtu, std::move(landing));
  if (uplink.next_hop) {
    base.fixed = hop_to(*uplink.next_hop, base);
  }
  return {};
}

/// The kernel's network interface beside the uplink that was opened last, with the same address and MTU.
Ports::Step Ports::open_twin(const UplinkConfig& uplink, const WorkerBuffers& buffers) {
  const auto uplink_port = static_cast<uint8_t>(ports_.size() - 1);
  const auto twin_port = static_cast<uint8_t>(ports_.size());
  const std::string& name = uplink.twin->name;
  const std::string mac = runtime::to_string(ports_[uplink_port].devices[0]->mac());
  const bool vhost = std::filesystem::exists("/dev/vhost-net");
  const std::string device =
      vhost ? fmt::format("net_virtio_user{},path=/dev/vhost-net,queues=1,queue_size=1024,iface={},mac={}", twin_port,
                          name, mac)
            : fmt::format("net_tap{},iface={},mac={}", twin_port, name, mac);
  auto port = open_device(
      {.name = name, .device = device, .descriptors = kTwinDescriptors, .queues = 1, .mtu = uplink.port.mtu}, buffers);
  if (!port) {
    return tl::unexpected(port.error());
  }
  if (auto done = kernel::set_up_twin({.name = name, .mtu = uplink.port.mtu, .addresses = uplink.twin->addresses});
      !done) {
    return tl::unexpected(done.error());
  }
  l4::Landing landing = landing_of(*port);
  kernel::Base::Port& twin = add(std::move(*port), uplink.port.mtu, std::move(landing));
  twin.view.others = l4::Port::Others::from_kernel;
  twin.view.keep_addresses = true;
  twin.others_port = uplink_port;
  kernel::Base::Port& base = base_.ports[uplink_port];
  base.view.others = l4::Port::Others::kernel;
  base.view.keep_addresses = true;
  const uint32_t rate = uplink.twin->packets_a_second;
  base.view.others_rate = {.per_second = rate, .burst = std::max(l4::Burst::kMax, rate / kTwinBurst)};
  base.others_port = twin_port;
  base.twin_name = name;
  twins_.push_back(name);
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

kernel::Base::Port& Ports::add(NodePort port, uint32_t mtu, l4::Landing landing) {
  const auto number = static_cast<uint8_t>(ports_.size());
  base_.ports.push_back({.view = {.landing = std::move(landing)},
                         .fixed = {.mtu = 0, .port = number},
                         .mtu = static_cast<uint16_t>(mtu),
                         .mac = port.devices[0]->mac(),
                         .others_port = number});
  ports_.push_back(std::move(port));
  return base_.ports.back();
}

bool Ports::one_polls_for_all() const {
  for (size_t port = 0; port < ports_.size() && workers_ > 1; ++port) {
    const bool is_twin = base_.ports[port].view.others == l4::Port::Others::from_kernel;
    if (!is_twin && ports_[port].devices.size() == 1 && ports_[port].devices[0]->queues() == 1) {
      return true;
    }
  }
  return false;
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
                   .transmitter = own_queue ? worker : port.poller,
                   .vlan = port.vlan,
                   .offload = device.transmit_offload()});
  }
  return all;
}

}  // namespace weft::node
