// SPDX-License-Identifier: Apache-2.0
/// @file Would resources go together with those that a registry has?
#pragma once

#include "registrar/store.h"

namespace weft::registrar {

/// What would be wrong with the registry if the documents were put into it, and is not wrong now, as weftd itself would
/// say it. The abilities of a node are nobody's here.
/// @param registry its files (Store::files()) @param file what diagnostics call the documents' text
std::vector<registry::Diagnostic> disagreements(const std::vector<Store::File>& registry, const std::string& file,
                                                std::string_view text, const std::vector<Document>& documents);

}  // namespace weft::registrar
