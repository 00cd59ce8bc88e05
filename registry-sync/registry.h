// SPDX-License-Identifier: Apache-2.0
/// @file The registry as one node knows it: the last good state of its source, the operator's wishes, the snapshot of
/// both.
///
/// Everything but threads and clocks, which are the syncer's; so tests drive it step by step. The source is a folder,
/// which load() reads, or a key-value store, of which apply() is told.
///
/// What of a store is in force, admission.h says. Of a folder, after a bad load: a file with errors keeps its own last
/// good resources. If the resources contradict each other, or the folder can't be read, everything stays as it was. The
/// same if more than half of all endpoints would vanish at once, where there were 4 or more: that is far more often a
/// mount that failed or a file half written than a wish. An operator who means it says so: accept().
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "registry-sync/admission.h"
#include "registry-sync/builder.h"
#include "registry-sync/cache_writer.h"
#include "registry-sync/etcd_follower.h"
#include "registry-sync/file_source.h"

namespace weft::registry {

enum class Override : uint8_t {
  ready,  ///< as the registry says: takes a drain back
  drain,  ///< no new flows
};

/// Of the file that keeps what is in force of a store.
struct CacheStatus {
  std::filesystem::path path;
  std::string read_error;  ///< why what was there at the start could not be used; empty if it could, or if nothing was
  CacheWriter::State written;
};

/// What a node's operator is told.
struct Status {
  using Time = std::chrono::system_clock::time_point;

  std::filesystem::path folder;  ///< empty: the source is a store
  bool whole = false;            ///< the source was read at least once: what is in force is more than a beginning
  uint64_t epoch = 0;            ///< of the snapshot in force
  Time last_attempt{};
  Time last_good{};  ///< the last attempt without errors; what is in force may be older than the folder if not the same
  bool holding = false;  ///< the whole last good state is kept: `errors` says why
  std::vector<Diagnostic> errors;
  std::vector<Diagnostic> warnings;
  std::vector<Drain> drains;
  size_t files = 0;
  size_t documents = 0;        ///< in force
  size_t lingering = 0;        ///< endpoints that left the registry and still have flows
  std::optional<Time> cached;  ///< when what is in force was kept: it is the cache's, and the store was not read yet
  // Of a store.
  int64_t revision = 0;  ///< of which all is in force that may be
  std::optional<AdmissionStatus> admission;
  std::optional<FollowerStatus> store;
  std::optional<CacheStatus> cache;
};

/// What is handed to the data plane.
struct Publication {
  std::shared_ptr<const lb::Snapshot> snapshot;  ///< never null; the one before if only lingering endpoints went
  TrackedChanges endpoints;                      ///< since the publication before; in the first, all
};

/// Both clocks of one moment: the one that people are told of, and the one that deadlines are counted on.
struct Moment {
  Status::Time wall{};
  Time steady{};
};

class Registry {
 public:
  static constexpr size_t kGuardedEndpoints = 4;

  struct Options {
    std::filesystem::path folder;  ///< empty: apply() is to be called instead of load()
    uint64_t seed = 0;             ///< of the mesh: the same on all nodes
    SlotLimits limits;
    std::string zone;  ///< the node's own; empty: it prefers none
    Abilities abilities = {};
    Guard guard = {};                  ///< of a store's instances
    std::filesystem::path cache = {};  ///< of a store: what is in force is kept there; empty: nowhere
  };

  Registry(Options options, SlotUse in_use);

  /// Each returns whether there is something new to publish.
  bool load(Moment now);
  /// What happened in the store. Until the last part of a list there is nothing new to publish.
  bool apply(KeyBatch batch, Moment now);
  /// What was in force once, of a store that is not there: in force until the store is read.
  bool restore(const CacheContents& contents, Moment now);
  /// Makes the first snapshot, an empty one, of a store that is not there.
  bool begin(Moment now);
  /// load() that takes it as meant if most endpoints vanish. Of a store: lets go of what is held; an error within its
  /// first list.
  tl::expected<bool, std::string> accept(Moment now);
  /// Frees what nobody holds.
  bool reclaim(Time now);
  /// Does what time alone brings: steps of slow starts, and resets of flows whose endpoint left.
  bool advance(Time now);
  /// When to advance() next; none: not before something else happens.
  std::optional<Time> next_deadline() const { return builder_.next_deadline(); }
  /// @param service "namespace/name"
  /// @param endpoint its name or address
  /// The error names what does not exist, and lists what does.
  tl::expected<bool, std::string> set_endpoint(const std::string& service, const std::string& endpoint, Override wish,
                                               Time now);

  /// A fault for a while; the error says why not. @returns whether there is something new to publish
  tl::expected<bool, std::string> start_fault(LiveFault live, Time now);
  /// Ends one that was started, or all.
  tl::expected<bool, std::string> stop_fault(const std::optional<std::string>& name, Time now);

  /// What checks of take_check_changes()' targets found; what is of others is passed over.
  bool judge(const std::vector<CheckVerdict>& verdicts, Time now);
  /// Whom to check, of the services of which that changed since the last call.
  CheckChanges take_check_changes() { return builder_.take_check_changes(); }

  /// What is new since the last call. Precondition: load() was called.
  Publication publish();
  /// Null before load().
  const std::shared_ptr<const lb::Snapshot>& snapshot() const { return builder_.snapshot(); }
  /// All endpoints that packets are to be steered for, in the order of slots.
  std::vector<TrackedEndpoint> tracked() const { return builder_.tracked(); }
  const Status& status() const { return status_; }
  /// What became of routes and Gateways that are in force.
  HttpStatus http_status() const { return builder_.http_status(); }
  const FileSource& source() const { return source_; }
  /// Of a store: keys and values that are in force.
  std::vector<KeyEdit> in_force() const { return admission_->in_force(); }
  /// What of that is not as it was at the last call; none if no cache is asked for, nor within the first list.
  CacheWriter::Changes take_cache_changes();

 private:
  /// Why the folder's new state must not be in force; empty if it may.
  std::string hold_reason(const std::string& folder_error) const;
  bool build(Builder::Updates updates, Time now);
  bool take_admitted(Moment now);

  FileSource source_;
  SlotUse in_use_;
  Inventory inventory_;                 ///< what the folder says, whether or not it is in force; or what of a store is
  std::optional<Admission> admission_;  ///< of a store
  Builder builder_;                     ///< what is in force
  std::set<Drain> drains_;
  std::vector<Diagnostic> load_errors_;
  bool accepting_ = false;  ///< within accept()
  Status status_;
};

}  // namespace weft::registry
