// SPDX-License-Identifier: Apache-2.0
/// @file A client of etcd's v3 interface over gRPC, as small as weft needs it.
///
///     auto client = Client::make({.endpoints = {"http://10.0.0.1:2379", "http://10.0.0.2:2379"}});
///     auto all = (*client)->range("/weft/", prefix_end("/weft/"));
///     auto watch = (*client)->watch("/weft/", prefix_end("/weft/"), all->revision + 1);
///     for (;;) { auto batch = (*watch)->next(1s); ... }
///
/// Every call blocks, with a deadline (Options::timeout). It asks the member in use and, if that does not answer or has
/// no leader, the others one after another; the first that answers is in use from then on. What may be done twice with
/// the same outcome is asked of the next member also if the one before may have done it; transactions are not: after
/// `deadline` or `unavailable` they may have been done or not.
///
/// All requests ask for a leader (metadata "hasleader"): a member that was cut off from the others says so instead of
/// answering from what it remembers, and ends its watches. HTTP/2 pings find connections that died in silence; a
/// member that is stopped, but whose kernel still answers, is found by Watch::request_progress().
///
/// TLS files are read again before a call when they look another than before, and new connections are made with them if
/// they are good; watches that are under way stay on theirs. So a certificate that was renewed is in use before the old
/// one ends.
///
/// A user's token is fetched when it is needed and renewed when etcd does not take it any more.
///
/// One thread at a time, but for shut_down(). gRPC has threads of its own. No exceptions.
/// Source: etcd 3.4, Documentation/dev-guide/api_reference_v3.md and learning/api.md.
#pragma once

#include <memory>
#include <string>

#include "etcd/types.h"
#include "etcd/watch.h"

namespace weft::etcd {

class Client {
 public:
  /// Connects to nobody yet. The error says what is wrong with the options: an endpoint, a file.
  static tl::expected<std::unique_ptr<Client>, std::string> make(Options options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// @param range_end exclusive; empty: only `key`. See prefix_end()
  /// @param limit pairs; 0: all, which must fit kMaxMessageBytes
  /// @param revision 0: the newest
  Result<Range> range(const std::string& key, const std::string& range_end = "", int64_t limit = 0,
                      int64_t revision = 0, bool keys_only = false);
  /// @returns the revision
  Result<int64_t> put(const std::string& key, const std::string& value, int64_t lease = 0);
  /// @returns whether it was put
  Result<bool> put_if_absent(const std::string& key, const std::string& value, int64_t lease = 0);
  /// If the key was last written at `mod_revision`. @returns whether it was put
  Result<bool> put_if_revision(const std::string& key, const std::string& value, int64_t mod_revision,
                               int64_t lease = 0);
  /// @returns how many keys there were
  Result<int64_t> remove(const std::string& key, const std::string& range_end = "");
  /// @returns whether it was removed
  Result<bool> remove_if_revision(const std::string& key, int64_t mod_revision);
  Result<void> compact(int64_t revision);

  /// @returns its id
  Result<int64_t> grant(std::chrono::seconds time_to_live);
  /// @returns how long it lives from now on
  Result<std::chrono::seconds> keep_alive(int64_t lease);
  /// How long it would live without keep_alive().
  Result<std::chrono::seconds> time_to_live(int64_t lease);
  Result<void> revoke(int64_t lease);

  /// Returns once etcd said that it watches. The watch stays with the member in use, and may outlive the client's next
  /// calls, but not the client.
  Result<std::unique_ptr<Watch>> watch(const std::string& key, const std::string& range_end, int64_t from_revision);

  /// The member in use: the one that answered last.
  const std::string& endpoint() const;
  /// Another member is asked first from now on.
  void move_on();
  /// Ends the call and the watches that are under way, and all later ones, with `cancelled`. Any thread.
  void shut_down();

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace weft::etcd
