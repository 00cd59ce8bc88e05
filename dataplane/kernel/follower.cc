// SPDX-License-Identifier: Apache-2.0
#include "kernel/follower.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace weft::kernel {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kTurn = 5;         // ms: how long a worker's question may lie in its ring
constexpr seconds kAskAgain{1};  // what the kernel itself waits between two ARP requests
constexpr seconds kUpkeep{1};
constexpr seconds kFullRead{30};         // for changes that the kernel does not tell of
constexpr milliseconds kPostponed{100};  // workers look through their flows meanwhile
constexpr size_t kMostAsked = 4096;      // at a time: beyond it, the next packet asks again
constexpr int kReadShare = 4;            // reading takes one part in so many of the time

}  // namespace

Follower::Follower(std::unique_ptr<Router> router, TableReader reader, pods::Fd stop, Hooks hooks)
    : router_(std::move(router)), reader_(std::move(reader)), stop_(std::move(stop)), hooks_(std::move(hooks)) {}

tl::expected<std::unique_ptr<Follower>, std::string> Follower::start(std::unique_ptr<Router> router,
                                                                     std::vector<std::string> twins, Hooks hooks) {
  auto reader = TableReader::open(std::move(twins));
  if (!reader) {
    return tl::unexpected(reader.error());
  }
  pods::Fd stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) {
    return tl::unexpected(std::string("cannot make an eventfd: ") + std::strerror(errno));
  }
  std::unique_ptr<Follower> follower(
      new Follower(std::move(router), std::move(*reader), std::move(stop), std::move(hooks)));
  Tables tables;
  if (auto read = follower->reader_.read(Changes::all(), tables); !read) {
    return tl::unexpected(read.error());
  }
  follower->tables_ = std::make_shared<const Tables>(std::move(tables));
  follower->publish();
  follower->next_full_read_ = Clock::now() + kFullRead;
  try {
    follower->thread_ = std::thread([raw = follower.get()] { raw->run(); });
  } catch (const std::system_error& error) {
    return tl::unexpected(std::string("cannot start the thread that follows routes: ") + error.what());
  }
  return follower;
}

Follower::~Follower() {
  if (thread_.joinable()) {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }
}

void Follower::want(const std::vector<Wish>& wishes) {
  const std::lock_guard lock(mutex_);
  wishes_.insert(wishes_.end(), wishes.begin(), wishes.end());
}

Follower::View Follower::view() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

void Follower::run() {
  std::array<pollfd, 2> watched = {
      {{.fd = stop_.get(), .events = POLLIN, .revents = 0}, {.fd = reader_.fd(), .events = POLLIN, .revents = 0}}};
  while ((watched[0].revents & POLLIN) == 0) {
    poll(watched.data(), watched.size(), kTurn);
    const Clock::time_point now = Clock::now();
    if (watched[1].revents != 0) {
      if (!changes_.any()) {
        next_read_ = std::max(next_read_, now + kSettle);
      }
      changes_.add(reader_.take_changes());
    }
    if (now >= next_full_read_) {
      changes_ = Changes::all();
      next_full_read_ = now + kFullRead;
    }
    if (changes_.any() && now >= next_read_) {
      read_changes(now);
    }
    if (router_->postponed() && now >= next_read_) {
      next_read_ = now + kPostponed;
      publish();
    }
    ask_for_unresolved(now);
    if (now >= next_upkeep_) {
      next_upkeep_ = now + kUpkeep;
      std::erase_if(asked_, [&](const auto& each) { return now - each.second >= kAskAgain; });
      keep_resolved();
    }
  }
}

void Follower::read_changes(Clock::time_point now) {
  Tables tables = *tables_;
  const bool routes = changes_.routes;
  const auto read = reader_.read(changes_, tables);
  next_read_ = Clock::now() + (Clock::now() - now) * kReadShare;
  if (!read) {
    hooks_.warn(read.error());  // and again with the next change, or the next full reading
  } else {
    tables_ = std::make_shared<const Tables>(std::move(tables));
    publish();
  }
  if (const bool left_out = tables_->routes_left_out > 0; routes && left_out != left_out_) {
    left_out_ = left_out;
    if (left_out) {
      hooks_.warn("the kernel has more routes than weft follows (" + std::to_string(Tables::kMaxRoutes) +
                  "): " + std::to_string(tables_->routes_left_out) + " are left out");
    }
  }
  changes_ = {};
}

void Follower::publish() {
  auto forwarding = router_->next(tables_, hooks_.renewed());
  {
    const std::lock_guard lock(mutex_);
    view_ = {.tables = tables_, .forwarding = router_->current()};
  }
  if (forwarding == nullptr) {
    return;
  }
  hooks_.publish(std::move(forwarding));
  keep_resolved();
}

void Follower::ask(const Wanted& neighbour, Clock::time_point now) {
  if (asked_.size() < kMostAsked && asked_.try_emplace(neighbour, now).second) {
    reader_.resolve(neighbour);
  }
}

void Follower::ask_for_unresolved(Clock::time_point now) {
  std::vector<lb::Address> addresses;
  hooks_.unresolved(addresses);
  for (const lb::Address& address : addresses) {
    if (const auto neighbour = router_->neighbour_for(address)) {
      ask(*neighbour, now);
    }
  }
}

void Follower::keep_resolved() {
  std::map<Wanted, Neighbour::State> states;
  for (const Neighbour& neighbour : tables_->neighbours) {
    states[{.ifindex = neighbour.ifindex, .address = neighbour.address}] = neighbour.state;
  }
  const Clock::time_point now = Clock::now();
  const auto see_to = [&](const Wanted& neighbour) {
    const auto state = states.find(neighbour);
    if (state == states.end() || state->second == Neighbour::State::stale ||
        state->second == Neighbour::State::failed) {
      ask(neighbour, now);
    }
  };
  for (const Wanted& gateway : router_->gateways()) {
    see_to(gateway);
  }
  std::vector<Wish> wishes;
  {
    const std::lock_guard lock(mutex_);
    wishes.swap(wishes_);
  }
  for (const Wish& wish : wishes) {
    if (wish.wanted) {
      endpoints_.insert(wish.endpoint);
    } else {
      endpoints_.erase(wish.endpoint);
    }
  }
  for (const lb::Address& endpoint : endpoints_) {
    if (const auto neighbour = router_->neighbour_for(endpoint)) {
      see_to(*neighbour);
    }
  }
  // Who has been resolved stays so while it answers: flows may need it, and only workers know.
  for (const auto& [neighbour, state] : states) {
    if (state == Neighbour::State::stale) {
      ask(neighbour, now);
    }
  }
}

}  // namespace weft::kernel
