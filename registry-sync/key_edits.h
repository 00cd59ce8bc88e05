// SPDX-License-Identifier: Apache-2.0
/// @file What happened to keys of a key-value store, read and parsed: from who follows the store (etcd_follower.h) to
/// who decides what of it is in force (admission.h). Values only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "registry-sync/instance.h"

namespace weft::registry {

using Documents = std::shared_ptr<const ResourceSet>;

/// What a value says by itself.
struct Reading {
  std::shared_ptr<const Instance> instance;  ///< of an instance without errors
  Documents documents;                       ///< of a resource without errors
  std::vector<Diagnostic> errors;
};

struct KeyEdit {
  std::string key;
  bool gone = false;
  bool by_lease = false;  ///< gone because its lease ended, or nobody can tell; else it is known to have been deleted
  std::string value;
  int64_t created = 0;  ///< revision; 0: not known
  int64_t lease = 0;    ///< 0: none
  Reading reading;
};

struct KeyBatch {
  bool whole = false;  ///< all keys that there are, and those of which one knows that they went; else edits, in order
  bool begins = true;  ///< a whole list may come in parts: its first,
  bool ends = true;    ///< and its last. One that begins again was broken off: it begins anew
  int64_t revision = 0;
  std::vector<KeyEdit> edits;
};

/// Parses what a key holds, and holds it against its key. Pure.
Reading read_value(const std::string& key, std::string_view value);

}  // namespace weft::registry
