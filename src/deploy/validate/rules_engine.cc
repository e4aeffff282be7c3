namespace hadal {}
