// SPDX-License-Identifier: Apache-2.0
#include "kernel/router.h"

#include <algorithm>
#include <map>

namespace weft::kernel {
namespace {

using What = HopIdentity::What;

constexpr size_t kMostWays = 64;  ///< of one route, weights included

bool can_be_held(const HopIdentity& identity) {
  return identity.what == What::fixed || identity.what == What::neighbour;
}

}  // namespace

std::string_view to_string(Neighbour::State state) {
  switch (state) {
    case Neighbour::State::resolving:
      return "resolving";
    case Neighbour::State::good:
      return "good";
    case Neighbour::State::stale:
      return "stale";
    case Neighbour::State::failed:
      break;
  }
  return "failed";
}

/// Gives each distinct target one number.
class Router::PlanBuilder {
 public:
  void add(const lb::Prefix& prefix, const Target& target) {
    plan_.entries.push_back({.prefix = prefix, .target = number_of(target)});
  }
  /// Where a route to the very address says only which link it is on.
  void add_neighbour(const lb::Prefix& prefix, const Target& target) {
    neighbours_.push_back({.prefix = prefix, .target = number_of(target)});
  }
  /// Of several entries to one prefix, the one that was added first counts, but a neighbour before all.
  Plan take() {
    plan_.entries.insert(plan_.entries.begin(), neighbours_.begin(), neighbours_.end());
    const auto before = [](const Entry& a, const Entry& b) { return a.prefix < b.prefix; };
    std::stable_sort(plan_.entries.begin(), plan_.entries.end(), before);
    const auto same = [](const Entry& a, const Entry& b) { return a.prefix == b.prefix; };
    plan_.entries.erase(std::unique(plan_.entries.begin(), plan_.entries.end(), same), plan_.entries.end());
    return std::move(plan_);
  }
  const Plan& so_far() const { return plan_; }

 private:
  uint32_t number_of(const Target& target) {
    const auto [known, added] = numbers_.try_emplace(target, static_cast<uint32_t>(plan_.targets.size()));
    if (added) {
      plan_.targets.push_back(target);
    }
    return known->second;
  }

  Plan plan_;
  std::vector<Entry> neighbours_;
  std::map<Target, uint32_t> numbers_;
};

Router::Router(Base base, uint32_t most_hops)
    : base_(std::move(base)), numbers_(static_cast<uint32_t>(base_.ports.size()), most_hops) {}

std::optional<uint8_t> Router::port_of(uint32_t ifindex, const Tables& tables) const {
  for (const Link& link : tables.links) {
    for (size_t port = 0; link.ifindex == ifindex && port < base_.ports.size(); ++port) {
      if (base_.ports[port].twin_name == link.name) {
        return static_cast<uint8_t>(port);
      }
    }
  }
  return std::nullopt;
}

Router::Target Router::target_of(const Route& route, const Tables& tables) const {
  if (route.unreachable) {
    return {{.what = What::unreachable}};
  }
  Target target;
  uint64_t weights = 0;
  for (const Via& via : route.vias) {
    weights += via.weight;
  }
  for (const Via& via : route.vias) {
    const auto port = port_of(via.ifindex, tables);
    if (!port) {
      continue;
    }
    HopIdentity hop{.what = via.gateway ? What::neighbour : What::on_link,
                    .port = *port,
                    .mtu = static_cast<uint16_t>(std::min<uint32_t>(route.mtu, UINT16_MAX)),
                    .address = via.gateway.value_or(lb::Address())};
    if (!via.gateway) {
      return {hop};  // each destination is its own way
    }
    const uint64_t times = weights <= kMostWays ? via.weight : std::max<uint64_t>(1, via.weight * kMostWays / weights);
    target.insert(target.end(), target.size() < kMostWays ? times : 0, hop);
  }
  return target;
}

bool Router::is_in_a_network(const lb::Prefix& prefix) const {
  return std::any_of(base_.networks.begin(), base_.networks.end(), [&](const Base::Network& network) {
    return network.prefix.length <= prefix.length && network.prefix.contains(prefix.address);
  });
}

Router::Plan Router::plan(const Tables& tables) const {
  PlanBuilder builder;
  for (const Base::Network& network : base_.networks) {
    builder.add(network.prefix, {{.what = What::fixed, .port = network.port}});
  }
  std::vector<const Route*> routes;
  routes.reserve(tables.routes.size());
  for (const Route& route : tables.routes) {
    routes.push_back(&route);
  }
  std::stable_sort(routes.begin(), routes.end(), [](const Route* a, const Route* b) { return a->metric < b->metric; });
  for (const Route* route : routes) {
    const Target target = target_of(*route, tables);
    if (!target.empty() || !is_in_a_network(route->destination)) {
      builder.add(route->destination, target);
    }
  }
  // Neighbours are ways of their own where their addresses are on their link.
  std::vector<l4::RouteTable::Entry> entries;
  for (const Entry& entry : builder.so_far().entries) {
    entries.push_back({.prefix = entry.prefix, .value = entry.target});
  }
  const l4::RouteTable index(entries);
  size_t neighbours = 0;
  for (const Neighbour& neighbour : tables.neighbours) {
    const uint32_t found = index.find(neighbour.address);
    if (!neighbour.usable() || found == l4::RouteTable::kNone || neighbours == kMaxNeighbours) {
      continue;
    }
    const Target link = builder.so_far().targets[found];
    if (link.size() == 1 && link[0].what == What::on_link && link[0].port == port_of(neighbour.ifindex, tables)) {
      const uint8_t full = neighbour.address.is_ipv4() ? 32 : 128;
      builder.add_neighbour(
          {.address = neighbour.address, .length = full},
          {{.what = What::neighbour, .port = link[0].port, .mtu = link[0].mtu, .address = neighbour.address}});
      ++neighbours;
    }
  }
  return builder.take();
}

std::set<HopIdentity> Router::fixed_hops() const {
  std::set<HopIdentity> all;
  for (size_t port = 0; port < base_.ports.size(); ++port) {
    all.insert({.what = What::fixed, .port = static_cast<uint8_t>(port)});
  }
  return all;
}

/// A flow to a destination held what the longest prefix said. That prefix's target changed, or the prefix went, or a
/// longer one came.
std::set<HopIdentity> Router::moved(const Plan& before, const Plan& after) const {
  std::set<HopIdentity> all;
  const auto add = [&](const Target& target) {
    if (target.empty()) {  // by the port's own
      all.merge(fixed_hops());
    }
    std::copy_if(target.begin(), target.end(), std::inserter(all, all.end()), can_be_held);
  };
  std::vector<const Entry*> around;  // entries of `before`, from the outermost inwards
  auto old = before.entries.begin();
  auto now = after.entries.begin();
  const auto enter = [&](const lb::Prefix& prefix) {
    while (!around.empty() && !around.back()->prefix.contains(prefix.address)) {
      around.pop_back();
    }
  };
  while (old != before.entries.end() || now != after.entries.end()) {
    const bool only_old = now == after.entries.end() || (old != before.entries.end() && old->prefix < now->prefix);
    const bool only_now = old == before.entries.end() || (now != after.entries.end() && now->prefix < old->prefix);
    if (only_now) {
      enter(now->prefix);
      add(around.empty() ? Target{} : before.targets[around.back()->target]);
      ++now;
      continue;
    }
    enter(old->prefix);
    if (only_old || before.targets[old->target] != after.targets[now->target]) {
      add(before.targets[old->target]);
    }
    around.push_back(&*old);
    ++old;
    now += only_old ? 0 : 1;
  }
  return all;
}

std::vector<l4::NextHop> Router::hops(const Tables& tables) const {
  std::map<Wanted, const Neighbour*> neighbours;
  for (const Neighbour& neighbour : tables.neighbours) {
    if (neighbour.usable()) {
      neighbours[{.ifindex = neighbour.ifindex, .address = neighbour.address}] = &neighbour;
    }
  }
  const auto neighbour_hop = [&](const HopIdentity& identity) {
    l4::NextHop hop{.mtu = 0, .port = identity.port};
    const Base::Port& port = base_.ports[identity.port];
    for (const Link& link : tables.links) {
      const auto found = neighbours.find({.ifindex = link.ifindex, .address = identity.address});
      if (link.name == port.twin_name && found != neighbours.end()) {
        const Mac& mac = found->second->mac;
        std::copy(mac.begin(), mac.end(), hop.addresses.begin());
        std::copy(port.mac.begin(), port.mac.end(), hop.addresses.begin() + mac.size());
        const uint32_t path = identity.mtu == 0 ? UINT16_MAX : identity.mtu;
        hop.mtu = static_cast<uint16_t>(std::min({uint32_t{port.mtu}, link.mtu, path}));
      }
    }
    return hop;
  };
  std::vector<l4::NextHop> hops(numbers_.high_water());
  for (size_t port = 0; port < base_.ports.size(); ++port) {
    hops[port] = base_.ports[port].fixed;
  }
  for (const HopNumbers::Retired& retired : numbers_.retired()) {
    hops[retired.number] = {.mtu = 0, .port = retired.port};
  }
  for (const auto& [identity, number] : numbers_.in_use()) {
    hops[number] = identity.what == What::fixed       ? base_.ports[identity.port].fixed
                   : identity.what == What::neighbour ? neighbour_hop(identity)
                                                      : l4::NextHop{.mtu = 0, .port = identity.port};
  }
  return hops;
}

std::vector<l4::Port> Router::ports() {
  std::vector<l4::Port> ports;
  for (size_t each = 0; each < base_.ports.size(); ++each) {
    l4::Port port = base_.ports[each].view;
    port.others_hop = base_.ports[each].others_port;  // the first numbers are the ports' own
    port.default_hop = numbers_.number({.what = What::fixed, .port = static_cast<uint8_t>(each)}).value_or(0);
    ports.push_back(std::move(port));
  }
  return ports;
}

std::shared_ptr<const l4::Forwarding> Router::next(std::shared_ptr<const Tables> tables, uint64_t renewed) {
  postponed_ = false;
  if (current_ != nullptr && *tables == *tables_) {
    return nullptr;
  }
  numbers_.reclaim(renewed);
  Plan planned = plan(*tables);
  std::set<HopIdentity> needed = fixed_hops();
  for (const Target& target : planned.targets) {
    needed.insert(target.begin(), target.end());
  }
  const std::set<HopIdentity> leaving = moved(plan_, planned);
  size_t missing = 0;
  for (const HopIdentity& identity : needed) {
    missing += !numbers_.in_use().contains(identity) || leaving.contains(identity) ? 1 : 0;
  }
  if (missing > numbers_.left()) {
    postponed_ = true;
    return nullptr;
  }
  ++epoch_;
  for (const HopIdentity& identity : leaving) {
    numbers_.retire(identity, epoch_);
  }
  numbers_.retire_all_but(needed, epoch_);
  plan_ = std::move(planned);
  tables_ = std::move(tables);
  current_ = build(plan_, *tables_);
  return current_;
}

/// Precondition: there are numbers for all.
std::shared_ptr<const l4::Forwarding> Router::build(const Plan& plan, const Tables& tables) {
  const auto number = [this](const HopIdentity& identity) { return numbers_.number(identity).value_or(0); };
  std::vector<uint32_t> ways;  // by target
  std::vector<l4::Forwarding::Group> groups;
  for (const Target& target : plan.targets) {
    if (target.size() <= 1) {
      ways.push_back(target.empty() ? l4::RouteTable::kNone : number(target[0]));
      continue;
    }
    ways.push_back(l4::Forwarding::kGroups + static_cast<uint32_t>(groups.size()));
    groups.emplace_back();
    std::transform(target.begin(), target.end(), std::back_inserter(groups.back()), number);
  }
  std::set<Wanted> gateways;
  for (const Route& route : tables.routes) {
    for (const Via& via : route.vias) {
      if (via.gateway && port_of(via.ifindex, tables)) {
        gateways.insert({.ifindex = via.ifindex, .address = *via.gateway});
      }
    }
  }
  gateways_.assign(gateways.begin(), gateways.end());
  std::vector<l4::Route> routes;
  std::vector<l4::RouteTable::Entry> entries;
  routes.reserve(plan.entries.size());
  entries.reserve(plan.entries.size());
  for (const Entry& entry : plan.entries) {
    routes.push_back({.prefix = entry.prefix, .hop = ways[entry.target]});
    entries.push_back({.prefix = entry.prefix, .value = entry.target});
  }
  index_.emplace(entries);
  std::vector<l4::Port> its_ports = ports();
  return std::make_shared<const l4::Forwarding>(std::move(its_ports), hops(tables), routes, std::move(groups), epoch_,
                                                !numbers_.retired().empty());
}

std::vector<Wanted> Router::gateways() const {
  return gateways_;
}

std::optional<Wanted> Router::neighbour_for(const lb::Address& address) const {
  const uint32_t found = index_ ? index_->find(address) : l4::RouteTable::kNone;
  if (found == l4::RouteTable::kNone || plan_.targets[found].empty()) {
    return std::nullopt;
  }
  const HopIdentity& first = plan_.targets[found].front();
  if (first.what != What::on_link) {
    return std::nullopt;  // gateways are asked for anyway
  }
  for (const Link& link : tables_->links) {
    if (link.name == base_.ports[first.port].twin_name) {
      return Wanted{.ifindex = link.ifindex, .address = address};
    }
  }
  return std::nullopt;
}

}  // namespace weft::kernel
