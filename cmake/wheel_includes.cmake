# ROS wheels from PyPI export include directories of the machine they were made on, and CMake refuses targets whose
# include directories do not exist. Forget those; on an ordinary ROS installation all of them exist and nothing changes.
get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
foreach(target IN LISTS imported)
  get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
  if(directories)
    set(present "")
    foreach(directory IN LISTS directories)
      # Generator expressions and relative paths are not ours to judge.
      if(NOT IS_ABSOLUTE "${directory}" OR EXISTS "${directory}")
        list(APPEND present "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${present}")
  endif()
endforeach()
