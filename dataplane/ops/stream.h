// SPDX-License-Identifier: Apache-2.0
/// @file What is said to a line of the runtime socket: at once, or bit by bit for as long as the client stays.
#pragma once

#include <memory>
#include <string>

namespace weft::ops {

/// An answer that goes on. Its destructor ends what it tells of: the client has left, or the node stops.
class Stream {
 public:
  virtual ~Stream() = default;
  /// What there is to say by now, which may be nothing, and is bounded. Called every few milliseconds until ended(),
  /// but not while much of what it said waits for a client that does not read.
  virtual std::string next() = 0;
  /// Called in its place meanwhile: what was to end by now gives back what it holds of the node.
  virtual void keep_time() = 0;
  virtual bool ended() const = 0;
};

struct Reply {
  std::string text;              ///< lines, each with its end
  std::unique_ptr<Stream> rest;  ///< null if that is all
};

}  // namespace weft::ops
