"""What a page or an API shows of a workspace, as plain functions that return structs. Nothing here knows of the web.

Every function takes a `Library`, the workspace opened for looking, which keeps what would be dear to find out twice.
"""
