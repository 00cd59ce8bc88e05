// SPDX-License-Identifier: Apache-2.0
/// @file Commands that change something. Arguments are the words after the command's own.
#pragma once

#include "ops/show.h"

namespace weft::ops {

/// `set endpoint <service>/<endpoint> state ready|drain`
Answer set_endpoint(node::Node& node, const Words& arguments);

/// `drain`, `drain stop`
Answer drain(node::Node& node, const Words& arguments);
Answer drain_stop(node::Node& node, const Words& arguments);

/// `set registry accept`
Answer accept_registry(node::Node& node, const Words& arguments);

/// `pod attach netns <name>|interface <name>`
Answer pod_attach(node::Node& node, const Words& arguments);
/// `pod detach [netns|interface] <name>`
Answer pod_detach(node::Node& node, const Words& arguments);
/// `pod list`
Answer pod_list(node::Node& node, const Words& arguments);

/// `nic attach <interface>`
Answer nic_attach(node::Node& node, const Words& arguments);
/// `nic detach <interface>`
Answer nic_detach(node::Node& node, const Words& arguments);
/// `nic list`
Answer nic_list(node::Node& node, const Words& arguments);

}  // namespace weft::ops
