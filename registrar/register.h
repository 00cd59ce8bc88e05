// SPDX-License-Identifier: Apache-2.0
/// @file `weftctl register`: runs a program, and has etcd know of it for as long as it runs.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "registrar/instance.h"
#include "registrar/own_check.h"
#include "registrar/place.h"

namespace weft::registrar {

struct RegisterFlags {
  Instance instance;
  CheckFlags check;
  int64_t time_to_live_s = 10;
  std::vector<std::string> command;
};

/// Blocks until the program ended. No thread may have been started before.
/// @returns the exit code of weftctl: the program's, 126 or 127 if it could not be run, 64 if the flags are wrong
int run_registered(RegisterFlags flags, const PlaceFlags& place);

}  // namespace weft::registrar
